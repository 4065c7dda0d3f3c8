//! The page for a terminal: the letter with its factors, a row an indicator, the seven questions with their grounds.

use cairn_economy::reality::{Figure, Indicator, Mark, Question, Report, Unit};
use cairn_primitives::{MicroUsd, Sector};
use cairn_sectors::profile;

use super::verify::Verified;
use crate::output::{percent, table, usd};

/// Widest line of an indicator's further figures.
const LINE_CHARS: usize = 96;

/// The whole page.
pub fn text(network: &str, report: &Report, verified: Option<&Verified>) -> String {
    let young = if report.young { "; a young network: some windows do not exist yet" } else { "" };
    let mut parts = vec![
        format!(
            "REALITY of {network}, epochs {} to {} ({} epochs){young}",
            report.from,
            report.to,
            report.to.0 - report.from.0 + 1
        ),
        index(report),
        indicators(&report.indicators),
        questions(report),
    ];
    parts.push(verified.map_or_else(|| UNVERIFIED.to_owned(), verdict));
    parts.join("\n\n")
}

/// What is said of numbers that were only asked for.
pub const UNVERIFIED: &str =
    "As a node serves it; cairn reality --verify recomputes every number from blocks and evidence.";

/// The letter and its four factors in a line.
pub fn index(report: &Report) -> String {
    let letter = report.index.letter.map_or_else(|| "-".to_owned(), String::from);
    let factors: Vec<String> = report
        .index
        .factors
        .iter()
        .map(|figure| format!("{} {}", words(&figure.name), shown(figure)))
        .collect();
    format!("INDEX  {letter}   {} = {}", shown(&report.index.index), factors.join(" × "))
}

fn indicators(indicators: &[Indicator]) -> String {
    let mut rows = vec![vec![
        "#".to_owned(),
        "indicator".to_owned(),
        "value".to_owned(),
        String::new(),
        "in it".to_owned(),
    ]];
    for indicator in indicators {
        let Some((first, others)) = indicator.figures.split_first() else { continue };
        let mut lines = wrapped(others).into_iter();
        rows.push(vec![
            indicator.number.to_string(),
            words(&indicator.name),
            format!("{} {}", words(&first.name), shown(first)),
            mark(indicator.mark).to_owned(),
            lines.next().unwrap_or_default(),
        ]);
        for line in lines {
            rows.push(vec![String::new(), String::new(), String::new(), String::new(), line]);
        }
    }
    table(&rows)
}

/// Figures in lines that fit a terminal.
fn wrapped(figures: &[Figure]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for figure in figures {
        let text = format!("{} {}", words(&figure.name), shown(figure));
        match lines.last_mut() {
            Some(line) if line.len() + text.len() + 2 <= LINE_CHARS => {
                line.push_str("; ");
                line.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    lines
}

fn questions(report: &Report) -> String {
    let answer = |question: &Question| {
        let mut text = format!("{}  [{}]", question.question, mark(question.mark));
        if let Some(words) = said(&question.name) {
            text.push_str(&format!("\n    {words}"));
        }
        for (label, value) in grounds(report, question) {
            text.push_str(&format!("\n    {label:<36} {value}"));
        }
        text
    };
    let answers: Vec<String> = report.questions.iter().map(answer).collect();
    answers.join("\n")
}

/// What the sector table says to a question, for all sectors.
pub fn said(question: &str) -> Option<String> {
    let each = |of: fn(Sector) -> String| {
        let parts: Vec<String> = Sector::ALL.into_iter().map(of).collect();
        Some(parts.join("; "))
    };
    match question {
        "service" => each(|sector| {
            format!(
                "{}: {} (a unit: one {})",
                sector.name(),
                profile(sector).service,
                profile(sector).unit
            )
        }),
        "verification" => {
            each(|sector| format!("{}: {}", sector.name(), profile(sector).verified_by))
        }
        _ => None,
    }
}

/// The figures an answer rests on, as label and value.
pub fn grounds(report: &Report, question: &Question) -> Vec<(String, String)> {
    let ground = |(number, name): (u8, &str)| {
        let figure = report.indicator(number)?.figure(name)?;
        Some((format!("({number}) {}", words(name)), shown(figure)))
    };
    let grounds = question.rests_on.iter();
    grounds.filter_map(|g| ground((g.indicator, &g.figure))).collect()
}

/// What a verification found, for people.
pub fn verdict(verified: &Verified) -> String {
    let trust = if verified.trusted {
        "your genesis file"
    } else {
        "the genesis that the node told, which proves nothing about who it is: name yours with --genesis"
    };
    if verified.equal() {
        return format!(
            "VERIFIED: {} blocks under a certificate of the validators in {trust}; every number is what they and the evidence give",
            verified.blocks
        );
    }
    let mut text = format!("DIFFERENT in {} values, by {trust}", verified.differences.len());
    for found in &verified.differences {
        text.push_str(&format!(
            "\n  {}: served {}, recomputed {}",
            found.path, found.served, found.recomputed
        ));
    }
    text
}

/// A name with spaces.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A mark in a word.
pub const fn mark(mark: Mark) -> &'static str {
    match mark {
        Mark::Healthy => "healthy",
        Mark::Between => "fair",
        Mark::Alarm => "ALARM",
        Mark::Stated => "stated",
        Mark::Unknown => "not known",
    }
}

/// A value with its unit, or why there is none.
pub fn shown(figure: &Figure) -> String {
    let value = match figure.measured() {
        Ok(value) => value,
        Err(absent) => return absent.words().to_owned(),
    };
    let size = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    let text = match figure.unit {
        Unit::MicroUsd => usd(MicroUsd(size)),
        Unit::MicroStones => format!("{}.{:06} STONE", size / 1_000_000, size % 1_000_000),
        Unit::Ppm => u32::try_from(size)
            .map_or_else(|_| format!("{} times", size / 1_000_000), |ppm| percent(ppm / 100 * 100)),
        Unit::Milli => format!("{}.{:03}", size / 1_000, size % 1_000),
        Unit::Count => size.to_string(),
        Unit::Days => format!("{size} days"),
        Unit::MilliDays => format!("{}.{:03} days", size / 1_000, size % 1_000),
        Unit::Epochs => format!("{size} epochs"),
        Unit::MicroUsdPerKiloUnit => format!("{} for 1,000 units", usd(MicroUsd(size))),
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use cairn_economy::reality::Absent;

    use super::*;

    #[test]
    fn values_read_as_people_read_them() {
        for (unit, value, expected) in [
            (Unit::MicroUsd, 1_250_000, "$1.2500"),
            (Unit::MicroStones, 2_500_000, "2.500000 STONE"),
            (Unit::Ppm, 985_049, "98.5 %"),
            (Unit::Ppm, -10_000, "-1 %"),
            (Unit::Milli, 1_500, "1.500"),
            (Unit::Days, 548, "548 days"),
            (Unit::MilliDays, 30_500, "30.500 days"),
        ] {
            assert_eq!(shown(&Figure::new("x", unit, Ok(value))), expected);
        }
        assert_eq!(shown(&Figure::new("x", Unit::Days, Err(Absent::Never))), "never");
    }

    #[test]
    fn long_rows_are_wrapped() {
        let figures: Vec<Figure> =
            (0..20).map(|n| Figure::new("a_long_name", Unit::Count, Ok(n))).collect();
        let lines = wrapped(&figures);
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= LINE_CHARS));
    }
}
