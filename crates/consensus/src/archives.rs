//! A validator's archives of final blocks and of their certificates: how they are opened, and how they begin.
//!
//! They begin with block 0, or with the block whose state was taken from peers (`crate::sync`). The engine starts from that block
//! as its floor: it is the only one then, and everything before it stays with others.

use std::sync::Arc;

use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::{Digestible as _, certificate::Verifier as _, sha256::Digest};
use commonware_runtime::buffer::paged::CacheRef;
use commonware_storage::{
    Context as StorageContext,
    archive::{Archive as _, Error, Identifier, prunable},
    translator::TwoCap,
};
use commonware_utils::NZU64;

use crate::{block::Block, params::STORAGE_BUFFER, scheme::Scheme};

/// A block's certificate, as the engine keeps it.
pub(crate) type Certificate = Finalization<Scheme, Digest>;

/// Both archives.
pub(crate) struct Archives<E: StorageContext> {
    pub(crate) certificates: prunable::Archive<TwoCap, E, Digest, Certificate>,
    pub(crate) blocks: prunable::Archive<TwoCap, E, Digest, Arc<Block>>,
}

fn config<C>(
    prefix: &str,
    name: &str,
    page_cache: CacheRef,
    codec_config: C,
) -> prunable::Config<TwoCap, C> {
    prunable::Config {
        translator: TwoCap,
        metadata_partition: format!("{prefix}-{name}-metadata"),
        key_partition: format!("{prefix}-{name}-key"),
        key_page_cache: page_cache,
        value_partition: format!("{prefix}-{name}-value"),
        compression: None,
        codec_config,
        items_per_section: NZU64!(1024),
        key_write_buffer: STORAGE_BUFFER,
        value_write_buffer: STORAGE_BUFFER,
        replay_buffer: STORAGE_BUFFER,
    }
}

impl<E: StorageContext> Archives<E> {
    /// Opens those under `prefix`.
    pub(crate) async fn open(
        context: &E,
        prefix: &str,
        page_cache: &CacheRef,
    ) -> Result<Self, Error> {
        let limits = Scheme::certificate_codec_config_unbounded();
        let certificates = config(prefix, "certificates", page_cache.clone(), limits);
        let blocks = config(prefix, "blocks", page_cache.clone(), ());
        Ok(Self {
            certificates: prunable::Archive::init(context.child("certificates"), certificates)
                .await?,
            blocks: prunable::Archive::init(context.child("blocks"), blocks).await?,
        })
    }

    /// Begins them with `block`, of which `certificate` proves that it is final. What was there goes: an unfinished beginning with another.
    pub(crate) async fn begin(
        context: &E,
        prefix: &str,
        page_cache: &CacheRef,
        block: Block,
        certificate: &Certificate,
    ) -> Result<(), Error> {
        let old = Self::open(&context.child("old"), prefix, page_cache).await?;
        old.certificates.destroy().await?;
        old.blocks.destroy().await?;
        let new = Self::open(context, prefix, page_cache).await?;
        let (height, digest) = (block.preamble.height.get(), block.digest());
        new.certificates.put_sync(height, digest, certificate).await?;
        new.blocks.put_sync(height, digest, &Arc::new(block)).await?;
        Ok(())
    }

    /// The certificate of the block that they began with, where that is not block 0 and nothing has come after it.
    pub(crate) async fn beginning(&self) -> Result<Option<Certificate>, Error> {
        let blocks = &self.blocks;
        match blocks.first_index() {
            Some(height) if height > 0 && blocks.last_index() == Some(height) => {
                self.certificates.get(Identifier::Index(height)).await
            }
            _ => Ok(None),
        }
    }
}
