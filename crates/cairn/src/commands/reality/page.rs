//! The page for a browser: one file in the look of the simulator's report, without script, font or picture from elsewhere.

use cairn_economy::reality::{Figure, Indicator, Mark, Report};
use cairn_sim::economy::report::{STYLE, chart::escaped};

use super::{
    screen::{UNVERIFIED, grounds, mark, said, shown, verdict, words},
    verify::Verified,
};

/// Room above a question, below the table of the one before.
const ROOM: &str = "h3{margin-top:1.6rem}";

/// The page.
pub fn html(network: &str, report: &Report, verified: Option<&Verified>) -> String {
    let told = verified.map_or_else(|| UNVERIFIED.to_owned(), verdict);
    let checked = escaped(&told).replace('\n', "<br>");
    let body = [
        format!(
            "<h1>{}: reality</h1><p class=\"soft\">Epochs {} to {}. {checked}</p>",
            escaped(network),
            report.from,
            report.to
        ),
        index(report),
        questions(report),
        indicators(report),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{} · reality</title><style>{STYLE}{ROOM}</style></head><body><main>{}</main></body></html>\n",
        escaped(network),
        body.concat()
    )
}

fn index(report: &Report) -> String {
    let letter = report.index.letter.map_or_else(|| "no letter".to_owned(), String::from);
    let row = |figure: &Figure| {
        format!("<tr><td>{}</td><td>{}</td></tr>", escaped(&words(&figure.name)), value(figure))
    };
    let factors: String = report.index.factors.iter().map(row).collect();
    format!(
        "<p class=\"verdict\">Index <b>{letter}</b>, {} of 100 %: the product of its four factors.</p><div class=\"scroll\"><table><thead><tr><th>Factor</th><th>Value</th></tr></thead><tbody>{factors}</tbody></table></div>",
        value(&report.index.index)
    )
}

fn questions(report: &Report) -> String {
    let mut text = "<h2>Seven questions of a buyer</h2>".to_owned();
    for question in &report.questions {
        text.push_str(&format!(
            "<h3>{} <small>{}</small></h3>",
            escaped(&question.question),
            sign(question.mark)
        ));
        if let Some(words) = said(&question.name) {
            text.push_str(&format!("<p>{}</p>", escaped(&words)));
        }
        let rows: String = grounds(report, question)
            .iter()
            .map(|(label, value)| {
                format!("<tr><td>{}</td><td>{}</td></tr>", escaped(label), escaped(value))
            })
            .collect();
        text.push_str(&format!("<div class=\"scroll\"><table><tbody>{rows}</tbody></table></div>"));
    }
    text
}

fn indicators(report: &Report) -> String {
    let row = |indicator: &Indicator| {
        let figures: Vec<String> = indicator
            .figures
            .iter()
            .map(|figure| format!("{} <b>{}</b>", escaped(&words(&figure.name)), value(figure)))
            .collect();
        format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            indicator.number,
            escaped(&words(&indicator.name)),
            sign(indicator.mark),
            figures.join("<br>")
        )
    };
    let rows: String = report.indicators.iter().map(row).collect();
    format!(
        "<h2>Twenty indicators</h2><div class=\"scroll\"><table><thead><tr><th>#</th><th>Indicator</th><th>Mark</th><th>Figures</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn value(figure: &Figure) -> String {
    escaped(&shown(figure))
}

/// A mark by shape and word, so that it needs no colour.
fn sign(of: Mark) -> String {
    let shape = match of {
        Mark::Healthy => "●",
        Mark::Between => "◐",
        Mark::Alarm => "▲",
        Mark::Stated => "·",
        Mark::Unknown => "○",
    };
    format!("{shape} {}", mark(of))
}

#[cfg(test)]
mod tests {
    use cairn_economy::reality::{Absent, Index, Unit};
    use cairn_primitives::Epoch;

    use super::*;

    #[test]
    fn a_name_cannot_write_into_the_page() {
        let index = Index {
            letter: None,
            index: Figure::new("index", Unit::Ppm, Err(Absent::TooYoung)),
            factors: Vec::new(),
        };
        let (indicators, questions) = (Vec::new(), Vec::new());
        let (from, to) = (Epoch(0), Epoch(1));
        let report = Report { version: 1, from, to, young: true, index, indicators, questions };
        let page = html("<script>alert(1)</script>", &report, None);
        assert!(!page.contains("<script>") && page.contains("too young"), "{page}");
        assert!(!page.contains("http"), "a page links to nowhere");
    }
}
