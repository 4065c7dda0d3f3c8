//! Which epochs a filter can match, read from its comparisons of `epoch` and `time` with constants.
//!
//! Only a shortcut: the scan applies every filter to every row of the epochs that are left.

use cairn_primitives::Epoch;
use datafusion::{
    common::ScalarValue,
    logical_expr::{BinaryExpr, Expr, Operator},
};

/// An inclusive range of epochs and of times in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    epoch: (i64, i64),
    time_ms: (i64, i64),
}

impl Wanted {
    /// Everything.
    pub const ALL: Self = Self { epoch: (i64::MIN, i64::MAX), time_ms: (i64::MIN, i64::MAX) };

    /// What can match all of `filters`.
    pub fn of(filters: &[Expr]) -> Self {
        let mut wanted = Self::ALL;
        for filter in filters {
            wanted.narrow(filter);
        }
        wanted
    }

    /// Whether an epoch with rows in this range of times can match.
    pub fn includes(&self, epoch: Epoch, times_ms: (i64, i64)) -> bool {
        let epoch = epoch.0.cast_signed();
        self.epoch.0 <= epoch
            && epoch <= self.epoch.1
            && self.time_ms.0 <= times_ms.1
            && times_ms.0 <= self.time_ms.1
    }

    fn narrow(&mut self, filter: &Expr) {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                self.narrow(left);
                self.narrow(right);
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                if let (Some(range), Some(value)) = (self.column(left), constant(right)) {
                    bound(range, *op, value);
                } else if let (Some(value), Some(range)) = (constant(left), self.column(right))
                    && let Some(op) = op.swap()
                {
                    bound(range, op, value);
                }
            }
            Expr::Between(between) if !between.negated => {
                let (low, high) = (constant(&between.low), constant(&between.high));
                if let Some(range) = self.column(&between.expr) {
                    low.into_iter().for_each(|low| bound(range, Operator::GtEq, low));
                    high.into_iter().for_each(|high| bound(range, Operator::LtEq, high));
                }
            }
            _ => (),
        }
    }

    fn column(&mut self, expr: &Expr) -> Option<&mut (i64, i64)> {
        match expr {
            Expr::Column(column) if column.name == "epoch" => Some(&mut self.epoch),
            Expr::Column(column) if column.name == "time" => Some(&mut self.time_ms),
            _ => None,
        }
    }
}

fn bound(range: &mut (i64, i64), op: Operator, value: i64) {
    match op {
        Operator::Eq => {
            range.0 = range.0.max(value);
            range.1 = range.1.min(value);
        }
        // Strict comparisons stay inclusive here: a bound may be wide, never narrow.
        Operator::Gt | Operator::GtEq => range.0 = range.0.max(value),
        Operator::Lt | Operator::LtEq => range.1 = range.1.min(value),
        _ => (),
    }
}

/// The value of a constant of the column's own type, after the optimizer has cast it.
fn constant(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(value), _) => *value,
        Expr::Literal(ScalarValue::TimestampMillisecond(value, None), _) => *value,
        _ => None,
    }
}
