//! Plots as SVG text: lines, bands, stacks and bars with axes that people can read at the width of a phone.
//!
//! Floats are allowed here: nothing that is hashed depends on a picture. Colours are CSS classes, so that the page decides
//! about light and dark. Every plot has a text alternative.

use std::fmt::Write as _;

/// Size of a plot: about a phone's width, so that its letters are as large there as they are written.
const WIDTH: f64 = 360.0;
/// Its height.
const HEIGHT: f64 = 220.0;
/// Room for the numbers on the left.
const LEFT: f64 = 50.0;
/// Room on the right.
const RIGHT: f64 = 10.0;
/// Room above.
const TOP: f64 = 10.0;
/// Room for the numbers below.
const BOTTOM: f64 = 30.0;
/// Most lines of a grid.
const TICKS: f64 = 4.0;

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Dollars.
    Usd,
    /// Stones.
    Stones,
    /// Percent.
    Percent,
    /// Days.
    Days,
    /// Things.
    Count,
}

/// What a series looks like.
#[derive(Clone, Debug)]
pub enum Mark {
    /// A line through points.
    Line(Vec<(f64, f64)>),
    /// Between two lines: x, low, high.
    Band(Vec<(f64, f64, f64)>),
}

/// A series of a plot.
#[derive(Clone, Debug)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// CSS class of its colour: `a` to `d`.
    pub class: &'static str,
    /// Its shape.
    pub mark: Mark,
}

/// A plot over days.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What a screen reader says.
    pub label: String,
    /// Of the vertical axis.
    pub unit: Unit,
    /// Of the horizontal axis: days become years, percent stays.
    pub across: Unit,
    /// Largest value that is shown; larger ones leave the plot at the top.
    pub most: Option<f64>,
    /// Where a ledger's days end and simulated ones begin.
    pub border: Option<f64>,
    /// Back to front.
    pub series: Vec<Series>,
}

/// A number as people read it: three digits and a unit.
#[must_use]
pub fn shown(value: f64, unit: Unit) -> String {
    let size = value.abs();
    let (scaled, suffix) = match size {
        _ if size >= 1e9 => (value / 1e9, " B"),
        _ if size >= 1e6 => (value / 1e6, " M"),
        _ if size >= 1e4 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        x if x >= 100.0 || x == 0.0 || (x >= 1.0 && x.fract() == 0.0) => 0,
        x if x >= 10.0 => 1,
        x if x >= 0.1 => 2,
        x if x >= 0.001 => 4,
        _ => 6,
    };
    let mut text = format!("{scaled:.digits$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    let text = text.replacen('-', "−", 1);
    match unit {
        Unit::Usd => format!("${text}{suffix}").replace("$−", "−$"),
        Unit::Percent => format!("{text}{suffix} %"),
        Unit::Days => format!("{text}{suffix} d"),
        Unit::Stones | Unit::Count => format!("{text}{suffix}"),
    }
}

/// The smallest of 1, 2, 2.5, 5 times a power of ten that divides `range` in at most `TICKS`.
fn step(range: f64) -> f64 {
    let rough = (range / TICKS).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|f| f * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

/// The range of an axis that holds these values, and its step.
fn axis(values: impl Iterator<Item = f64>, most: Option<f64>) -> (f64, f64, f64) {
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    for value in values.filter(|v| v.is_finite()) {
        low = low.min(value);
        high = high.max(most.map_or(value, |most| value.min(most)));
    }
    if high - low < 1e-9 {
        high = low + 1.0;
    }
    let step = step(high - low);
    ((low / step).floor() * step, (high / step).ceil() * step, step)
}

impl Plot {
    /// The SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let ys = self.series.iter().flat_map(|series| match &series.mark {
            Mark::Line(points) => points.iter().map(|p| p.1).collect::<Vec<_>>(),
            Mark::Band(points) => points.iter().flat_map(|p| [p.1, p.2]).collect(),
        });
        let (low, high, y_step) = axis(ys, self.most);
        let xs: Vec<f64> = self
            .series
            .iter()
            .flat_map(|series| match &series.mark {
                Mark::Line(points) => points.iter().map(|p| p.0).collect::<Vec<_>>(),
                Mark::Band(points) => points.iter().map(|p| p.0).collect(),
            })
            .collect();
        let x_high = xs.iter().copied().fold(1.0, f64::max);
        let x = |value: f64| LEFT + value / x_high * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| {
            let part = ((value - low) / (high - low)).clamp(-0.02, 1.02);
            HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
        };
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(&self.label)
        );
        let mut tick = low;
        while tick <= high + y_step / 2.0 {
            let at = y(tick);
            let class = if tick.abs() < y_step / 1e6 { "zero" } else { "grid" };
            let _ = write!(
                out,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 5.0,
                at + 4.0,
                shown(tick, self.unit)
            );
            tick += y_step;
        }
        out.push_str(&self.days(x, x_high));
        for series in &self.series {
            out.push_str(&series.path(&x, &y));
        }
        if let Some(border) = self.border {
            out.push_str(&border_at(x(border)));
        }
        out.push_str("</svg>");
        out
    }

    /// The numbers below: years when there are some, days otherwise.
    fn days(&self, x: impl Fn(f64) -> f64, high: f64) -> String {
        let years = self.across == Unit::Days && high >= 730.0;
        let unit = if years { 365.25 } else { 1.0 };
        let step = step(high / unit).max(if years { 1.0 } else { 0.0 });
        let mut out = String::new();
        let mut tick = 0.0;
        while tick * unit <= high * 1.001 {
            let text = match self.across {
                Unit::Days if years && tick == 0.0 => "start".to_owned(),
                Unit::Days if years => format!("year {tick:.0}"),
                Unit::Days => format!("day {tick:.0}"),
                other => shown(tick, other),
            };
            let at = x(tick * unit);
            let anchor = if at > WIDTH - 40.0 { "end" } else { "middle" };
            let _ = write!(
                out,
                "<text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{text}</text>",
                HEIGHT - 10.0
            );
            tick += step;
        }
        out
    }

    /// The legend; nothing for a single series.
    #[must_use]
    pub fn legend(&self) -> String {
        let items: String = self
            .series
            .iter()
            .map(|s| {
                let shape = if matches!(s.mark, Mark::Band(_)) { "box" } else { "dash" };
                format!("<li><i class=\"{shape} {}\"></i>{}</li>", s.class, escaped(&s.name))
            })
            .collect();
        format!("<ul class=\"legend\">{items}</ul>")
    }
}

/// The border: a line, and words on the side that has room for them.
fn border_at(at: f64) -> String {
    let (text, shift, anchor) = match at {
        at if at > WIDTH / 2.0 => ("from the ledger", -4.0, "end"),
        _ => ("simulated from here", 4.0, "start"),
    };
    format!(
        "<line class=\"border\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.0}\"/><text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{text}</text>",
        HEIGHT - BOTTOM,
        at + shift,
        TOP + 9.0
    )
}

impl Series {
    /// A line.
    #[must_use]
    pub fn line(name: &str, class: &'static str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), class, mark: Mark::Line(points) }
    }

    /// A band.
    #[must_use]
    pub fn band(name: &str, class: &'static str, points: Vec<(f64, f64, f64)>) -> Self {
        Self { name: name.to_owned(), class, mark: Mark::Band(points) }
    }

    /// Makes a line leave the plot where it is above `most`: what is drawn at the edge would look like a number.
    pub fn leave_above(&mut self, most: f64) {
        if let Mark::Line(points) = &mut self.mark {
            points.iter_mut().filter(|p| p.1 > most).for_each(|p| p.1 = f64::INFINITY);
        }
    }

    fn path(&self, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) -> String {
        let class = self.class;
        match &self.mark {
            Mark::Line(points) => {
                let mut path = String::new();
                // A gap where there is no number.
                let mut open = false;
                for (day, value) in points {
                    if value.is_finite() {
                        let verb = if open { 'L' } else { 'M' };
                        let _ = write!(path, "{verb}{:.1} {:.1}", x(*day), y(*value));
                    }
                    open = value.is_finite();
                }
                format!("<path class=\"line {class}\" d=\"{path}\"/>")
            }
            Mark::Band(points) => {
                let finite: Vec<_> = points.iter().filter(|p| p.1.is_finite()).collect();
                let mut path = String::new();
                for (at, (day, _, high)) in finite.iter().enumerate() {
                    let verb = if at == 0 { 'M' } else { 'L' };
                    let _ = write!(path, "{verb}{:.1} {:.1}", x(*day), y(*high));
                }
                for (day, low, _) in finite.iter().rev() {
                    let _ = write!(path, "L{:.1} {:.1}", x(*day), y(*low));
                }
                format!("<path class=\"band {class}\" d=\"{path}Z\"/>")
            }
        }
    }
}

/// Horizontal bars around a middle: name, value with the input lowered, value with it raised.
#[must_use]
pub fn tornado(label: &str, middle: f64, bars: &[(String, f64, f64)], unit: Unit) -> String {
    let row = 34.0;
    let height = row * bars.len() as f64 + 30.0;
    let ends = bars.iter().flat_map(|bar| [bar.1, bar.2]).chain([middle]);
    let (mut low, mut high) = ends.fold((middle, middle), |(l, h), v| (l.min(v), h.max(v)));
    let pad = ((high - low) * 0.08).max(middle.abs() * 0.01).max(1e-9);
    (low, high) = (low - pad, high + pad);
    let x = |value: f64| 10.0 + (value - low) / (high - low) * (WIDTH - 20.0);
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escaped(label)
    );
    for (at, (name, lowered, raised)) in bars.iter().enumerate() {
        let top = row * at as f64;
        let _ = write!(
            out,
            "<text x=\"10\" y=\"{:.0}\">{}: {} … {}</text>",
            top + 13.0,
            escaped(name),
            shown(*lowered, unit),
            shown(*raised, unit)
        );
        for (value, class) in [(lowered, "a"), (raised, "b")] {
            let (from, to) = (x(middle).min(x(*value)), x(middle).max(x(*value)));
            let _ = write!(
                out,
                "<rect class=\"bar {class}\" x=\"{from:.1}\" y=\"{:.0}\" width=\"{:.1}\" height=\"10\"/>",
                top + 18.0,
                (to - from).max(1.0)
            );
        }
    }
    let at = x(middle);
    let _ = write!(
        out,
        "<line class=\"zero\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"16\" y2=\"{:.0}\"/><text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">now {}</text></svg>",
        height - 20.0,
        at.clamp(40.0, WIDTH - 40.0),
        height - 6.0,
        shown(middle, unit)
    );
    out
}

/// Text that means nothing to a browser.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_few_digits() {
        for (value, unit, text) in [
            (0.0, Unit::Usd, "$0"),
            (10_217.0, Unit::Usd, "$10.2 k"),
            (-1_500_000.0, Unit::Usd, "−$1.5 M"),
            (0.25, Unit::Usd, "$0.25"),
            (97.71, Unit::Percent, "97.7 %"),
            (5_000.0, Unit::Count, "5000"),
            (366.0, Unit::Days, "366 d"),
        ] {
            assert_eq!(shown(value, unit), text);
        }
    }

    #[test]
    fn axes_hold_their_values_in_round_steps() {
        assert_eq!(axis([1.0, 36_785.0].into_iter(), None), (0.0, 40_000.0, 10_000.0));
        assert_eq!(axis([-3.0, 4.0].into_iter(), None), (-4.0, 4.0, 2.0));
        assert_eq!(axis([f64::NAN, 9_000.0].into_iter(), Some(100.0)), (0.0, 100.0, 25.0));
        assert_eq!(axis([].into_iter(), None), (0.0, 1.0, 0.25));
    }
}
