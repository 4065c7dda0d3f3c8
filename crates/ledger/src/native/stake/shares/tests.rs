//! Holdings against a list that says for every slash what it finds.

use proptest::prelude::*;

use super::*;
use crate::{
    Memory,
    fixture::{ALICE, BOB, enter},
};

const SLASHES: u32 = 8;

#[derive(Clone, Debug)]
enum Act {
    /// Another slash comes.
    Slash,
    /// The owner has so many shares now.
    Set(u128),
    /// So many were the owner's since so many slashes ago.
    Grant(u128, u32),
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Slash),
        (0_u128..50).prop_map(Act::Set),
        (1_u128..50, 0..SLASHES).prop_map(|(shares, back)| Act::Grant(shares, back)),
    ]
}

fn with<T>(state: &mut Memory, f: impl FnOnce(&mut Ctx<'_>, &Holdings) -> Res<T>) -> T {
    let holdings = Holdings::of(Pool::Delegated, ALICE, BOB);
    enter(state, cairn_primitives::TimeMs(0), ALICE, Stones::ZERO, |c| f(c, &holdings))
        .expect("runs")
}

proptest! {
    #[test]
    fn every_slash_finds_what_was_held_then(history in prop::collection::vec(acts(), 1..60)) {
        let mut state = Memory::default();
        // The last one finds what is held now.
        let (mut found, mut slashes) = (vec![0], 0_u32);
        for act in history {
            match act {
                Act::Slash if slashes < SLASHES => {
                    slashes += 1;
                    found.push(*found.last().expect("one"));
                }
                Act::Slash => {}
                Act::Set(shares) => {
                    with(&mut state, |c, holdings| holdings.set(c, shares, slashes));
                    *found.last_mut().expect("one") = shares;
                }
                // Nothing is annulled before the first slash.
                Act::Grant(shares, back) => {
                    let Some(since @ 1..) = slashes.checked_sub(back) else { continue };
                    with(&mut state, |c, holdings| holdings.grant(c, shares, since));
                    found.iter_mut().skip(since as usize).for_each(|held| *held += shares);
                }
            }
            for (slash, held) in (0..).zip(&found) {
                let seen = with(&mut state, |c, holdings| holdings.at(c, slash));
                prop_assert_eq!(seen, *held, "slash {} of {:?}", slash, found);
            }
            let now = with(&mut state, |c, holdings| holdings.now(c));
            prop_assert_eq!(Some(&now), found.last());
            let entries = with(&mut state, |c, holdings| holdings.from(c, 0));
            prop_assert!(entries.windows(2).all(|pair| pair[0].since < pair[1].since || pair[0] == Holding::default()));
            prop_assert!(entries.len() <= found.len() + 1, "one a slash at most");
        }
    }
}
