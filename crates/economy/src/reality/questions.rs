//! The seven questions of an honest buyer, each answered by figures of the report and by nothing else.

use serde::{Deserialize, Serialize};

use super::band::{Indicator, Mark};

/// A question and the figures that answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its name, stable.
    pub name: String,
    /// The question as a buyer asks it.
    pub question: String,
    /// The worst mark of the indicators it rests on; those that are only stated do not count.
    pub mark: Mark,
    /// The figures, as indicator number and figure name.
    pub rests_on: Vec<Ground>,
}

/// A figure that an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// Number of the indicator.
    pub indicator: u8,
    /// Name of the figure.
    pub figure: String,
}

/// A question's name and words, and the figures it rests on; indicators that judge it are listed by number.
struct Asked {
    name: &'static str,
    words: &'static str,
    judged_by: &'static [u8],
    grounds: &'static [(u8, &'static str)],
}

const ASKED: [Asked; 7] = [
    Asked {
        name: "service",
        words: "What service does it sell?",
        judged_by: &[6],
        grounds: &[(6, "units_sold"), (6, "units_verified"), (6, "paid_device_epochs")],
    },
    Asked {
        name: "payer",
        words: "Who pays for it?",
        judged_by: &[2, 8],
        grounds: &[
            (1, "revenue"),
            (2, "related"),
            (8, "payers"),
            (8, "effective_payers"),
            (8, "largest"),
        ],
    },
    Asked {
        name: "verification",
        words: "How is the work verified?",
        judged_by: &[17, 18],
        grounds: &[
            (17, "judgements_per_device_day"),
            (17, "batches_refused"),
            (17, "device_epochs_refused"),
            (18, "slashes"),
            (18, "slashed"),
        ],
    },
    Asked {
        name: "token_model",
        words: "Is the token model sustainable?",
        judged_by: &[3, 4, 5, 14],
        grounds: &[
            (3, "subsidy_share"),
            (4, "burned_of_emitted"),
            (5, "subsidy_per_dollar"),
            (14, "dilution"),
            (14, "insiders_of_emission"),
            (15, "runway"),
            (16, "coverage"),
        ],
    },
    Asked {
        name: "hardware",
        words: "Is the hardware useful?",
        judged_by: &[6, 7, 10, 11],
        grounds: &[
            (7, "active"),
            (7, "earning"),
            (9, "nakamoto"),
            (10, "p50"),
            (10, "p50_without_subsidy"),
            (11, "survival"),
        ],
    },
    Asked {
        name: "demand",
        words: "Is the demand real?",
        judged_by: &[1, 2, 8, 12],
        grounds: &[(2, "revenue"), (1, "of_period_before"), (12, "retention"), (2, "by_funder")],
    },
    Asked {
        name: "competitiveness",
        words: "Can it compete?",
        judged_by: &[20],
        grounds: &[(20, "median_price"), (20, "of_reference"), (13, "collected")],
    },
];

/// The worse of two marks. A number that is missing is worse than a healthy one and better than an alarm.
fn worse(a: Mark, b: Mark) -> Mark {
    let weight = |mark: &Mark| match mark {
        Mark::Stated => 0,
        Mark::Healthy => 1,
        Mark::Between => 2,
        Mark::Unknown => 3,
        Mark::Alarm => 4,
    };
    if weight(&b) > weight(&a) { b } else { a }
}

/// The seven questions, answered by `indicators`.
#[must_use]
pub fn questions(indicators: &[Indicator]) -> Vec<Question> {
    let mark_of = |number: &u8| {
        indicators.iter().find(|i| i.number == *number).map_or(Mark::Unknown, |i| i.mark)
    };
    let answer = |asked: &Asked| Question {
        name: asked.name.to_owned(),
        question: asked.words.to_owned(),
        mark: asked.judged_by.iter().map(mark_of).fold(Mark::Stated, worse),
        rests_on: asked
            .grounds
            .iter()
            .map(|(indicator, figure)| Ground {
                indicator: *indicator,
                figure: (*figure).to_owned(),
            })
            .collect(),
    };
    ASKED.iter().map(answer).collect()
}
