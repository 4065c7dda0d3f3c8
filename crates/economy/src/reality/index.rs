//! The index: one number of four factors, each shown. earned/(earned+subsidy) · (1−w) · min(1, N_eff/20) · min(1, retention).

use serde::{Deserialize, Serialize};

use super::{
    demand::{payers, retention},
    facts::Facts,
    figure::{Absent, Figure, Measured, Unit, ppm, whole},
    funding::related_pay,
    income::incomes,
};
use crate::params::PPM;

/// Effective payers from which the third factor is whole, thousandths.
const PAYERS_WHOLE_MILLI: u64 = 20_000;
/// Least index of each letter, ppm; below the last one it is F.
const LETTERS: [(i64, char); 5] =
    [(800_000, 'A'), (600_000, 'B'), (400_000, 'C'), (200_000, 'D'), (50_000, 'E')];

/// The index and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// A to F; null where a factor is missing.
    pub letter: Option<char>,
    /// The product.
    pub index: Figure,
    /// The four factors, in their order.
    pub factors: Vec<Figure>,
}

/// The letter of an index.
#[must_use]
pub fn letter(index_ppm: i64) -> char {
    LETTERS.into_iter().find(|(least, _)| index_ppm >= *least).map_or('F', |(_, letter)| letter)
}

/// The index of a period.
#[must_use]
pub fn index(facts: &Facts) -> Index {
    let one = whole(PPM.into());
    let (earned, subsidy) = incomes(facts);
    let earned = ppm(earned, earned + subsidy, Absent::NoIncome);
    let strangers = related_pay(facts).and_then(|related| related.share()).map(|w| one - w);
    let spread = payers(facts).effective(Absent::NoRevenue).and_then(|effective| {
        let effective = u128::try_from(effective).unwrap_or(0);
        ppm(effective, PAYERS_WHOLE_MILLI.into(), Absent::NoRevenue)
    });
    let factors = [
        ("earned_share", earned),
        ("arms_length", strangers),
        ("payers", spread.map(|spread| spread.min(one))),
        ("retention", retention(facts).map(|retention| retention.min(one))),
    ];
    let product = factors.iter().try_fold(one, |product, (_, factor)| {
        Ok(i64::try_from(i128::from(product) * i128::from((*factor)?) / i128::from(one))
            .unwrap_or(0))
    });
    let product: Measured = product;
    Index {
        letter: product.ok().map(letter),
        index: Figure::new("index", Unit::Ppm, product),
        factors: factors.map(|(name, factor)| Figure::new(name, Unit::Ppm, factor)).into(),
    }
}
