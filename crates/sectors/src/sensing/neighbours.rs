//! Who stands near whom: a sorted index of cubes on the unit sphere, exact and bounded.
//!
//! Cubes of four sizes; the 27 cubes around a device contain everything nearer than the edge of one, so the search
//! begins with the small ones and ends as soon as both lists are full. A cube shows at most `CUBE_DEVICES` devices, the
//! earliest registered first: no crowd of newcomers can make scoring slow or push others out.

use super::params::{COPY_NEIGHBOURS, CUBE_BITS, CUBE_DEVICES, NEIGHBOURS};
use crate::place::UnitVector;

/// A device in the index; `rank` and `owner` are small numbers that stand for ids and addresses in the same order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// Position in the list of devices sorted by id.
    pub device: u32,
    /// Owner number.
    pub owner: u32,
    /// Order of registration.
    pub index: u64,
    /// Where it stands.
    pub at: UnitVector,
}

/// The nearest devices, the nearest first; equal distances by device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Near {
    /// Nearest of any owner, at most `COPY_NEIGHBOURS`.
    pub any: Vec<u32>,
    /// Nearest of other owners, one of each, at most `NEIGHBOURS`.
    pub others: Vec<u32>,
}

type Cube = [i64; 3];

/// All points by cube, for each size of cube.
pub(super) struct Index {
    levels: Vec<Vec<(Cube, u64, u32, Point)>>,
}

impl Index {
    /// Sorts the points into cubes.
    pub fn new(points: &[Point]) -> Self {
        let level = |bits: u32| {
            let mut level: Vec<_> =
                points.iter().map(|p| (cube(&p.at, bits), p.index, p.device, *p)).collect();
            level.sort_unstable_by_key(|(cube, index, device, _)| (*cube, *index, *device));
            level
        };
        Self { levels: CUBE_BITS.iter().map(|bits| level(*bits)).collect() }
    }

    /// The nearest devices of `of`, without itself.
    pub fn near(&self, of: &Point) -> Near {
        let mut near = Near::default();
        for (level, bits) in self.levels.iter().zip(CUBE_BITS) {
            near = nearest(of, candidates(level, of, bits));
            if near.any.len() == COPY_NEIGHBOURS && near.others.len() == NEIGHBOURS {
                break;
            }
        }
        near
    }
}

fn cube(at: &UnitVector, bits: u32) -> Cube {
    at.xyz.map(|x| x >> bits)
}

/// (squared chord, device, owner) of the points at most one edge away.
fn candidates(level: &[(Cube, u64, u32, Point)], of: &Point, bits: u32) -> Vec<(u64, u32, u32)> {
    let home = cube(&of.at, bits);
    let limit = 1_u64 << (2 * bits);
    let mut found = Vec::new();
    for x in home[0] - 1..=home[0] + 1 {
        for y in home[1] - 1..=home[1] + 1 {
            for z in home[2] - 1..=home[2] + 1 {
                let here = [x, y, z];
                let first = level.partition_point(|(cube, ..)| *cube < here);
                let shown =
                    level[first..].iter().take(CUBE_DEVICES).take_while(|(cube, ..)| *cube == here);
                for (.., point) in shown.filter(|(.., p)| p.device != of.device) {
                    let squared = of.at.chord_squared(&point.at);
                    if squared <= limit {
                        found.push((squared, point.device, point.owner));
                    }
                }
            }
        }
    }
    found.sort_unstable();
    found
}

fn nearest(of: &Point, candidates: Vec<(u64, u32, u32)>) -> Near {
    let mut near = Near::default();
    let mut owners = Vec::with_capacity(NEIGHBOURS);
    for (_, device, owner) in candidates {
        if near.any.len() < COPY_NEIGHBOURS {
            near.any.push(device);
        }
        if owner != of.owner && near.others.len() < NEIGHBOURS && !owners.contains(&owner) {
            owners.push(owner);
            near.others.push(device);
        }
        if near.any.len() == COPY_NEIGHBOURS && near.others.len() == NEIGHBOURS {
            break;
        }
    }
    near
}
