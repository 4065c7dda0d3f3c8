//! Pacing: how long a leader waits before it builds.
//!
//! Unpaced simplex makes 75 empty blocks a second. A leader waits `busy`; while the pool is empty it waits on, until
//! `idle`. It waits *before* the engine's builder is asked, because a building engine applies no final block meanwhile.

use std::{sync::Arc, time::Duration};

use commonware_consensus::{Application, marshal::ancestry::Ancestry};
use commonware_cryptography::Digested;
use commonware_runtime::Clock;

use crate::{params::POLL, ports::Pool};

/// Pauses between blocks, in wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// With transactions waiting.
    pub busy: Duration,
    /// Without any.
    pub idle: Duration,
}

/// An application whose proposals keep a pace.
#[derive(Clone)]
pub(crate) struct Paced<A> {
    pub(crate) inner: A,
    pub(crate) pool: Arc<dyn Pool>,
    pub(crate) pace: Pace,
}

impl<E, A> Application<E> for Paced<A>
where
    E: Clock,
    A: Application<E, Context: Send + Sync, Input: Send>,
{
    type SigningScheme = A::SigningScheme;
    type Context = A::Context;
    type Block = A::Block;
    type Input = A::Input;

    async fn propose(
        &mut self,
        context: (E, Self::Context),
        ancestry: impl Ancestry<Self::Block>,
        input: Self::Input,
    ) -> Option<Digested<Self::Block>> {
        let clock = &context.0;
        let start = clock.current();
        clock.sleep(self.pace.busy).await;
        while self.pool.is_empty()
            && clock.current().duration_since(start).is_ok_and(|waited| waited < self.pace.idle)
        {
            clock.sleep(POLL).await;
        }
        self.inner.propose(context, ancestry, input).await
    }

    async fn verify(
        &mut self,
        context: (E, Self::Context),
        ancestry: impl Ancestry<Self::Block>,
    ) -> bool {
        self.inner.verify(context, ancestry).await
    }
}
