//! What may be asked at all: one query that reads, over the tables that exist, the same at each run.

use datafusion::{
    common::tree_node::{TreeNode as _, TreeNodeRecursion},
    error::DataFusionError,
    logical_expr::{Expr, LogicalPlan, Volatility},
    sql::{
        parser::{DFParserBuilder, Statement},
        sqlparser::{
            ast::Statement as SqlStatement,
            dialect::GenericDialect,
            tokenizer::{Token, Tokenizer},
        },
    },
};

use crate::{
    params::{SQL_BYTES_MAX, SQL_TOKENS_MAX},
    refusal::{Reason, Refusal},
};

/// Parses `sql` into the one query it may be.
pub(super) fn parse(sql: &str) -> Result<Statement, Refusal> {
    if sql.len() > SQL_BYTES_MAX {
        let detail = format!("{} bytes, at most {SQL_BYTES_MAX} are allowed", sql.len());
        return Err(Refusal::new(Reason::SqlTooLong, detail));
    }
    // What cannot be split into tokens the parser refuses, with a better error.
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_default();
    let count = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).count();
    if count > SQL_TOKENS_MAX {
        let detail = format!("{count} words and signs, at most {SQL_TOKENS_MAX} are allowed");
        return Err(Refusal::new(Reason::SqlTooLong, detail));
    }
    let syntax = |error: DataFusionError| Refusal::new(Reason::SqlSyntax, first_line(&error));
    let mut parser = DFParserBuilder::new(sql).with_recursion_limit(64).build().map_err(syntax)?;
    let mut statements = parser.parse_statements().map_err(syntax)?;
    let (Some(statement), true) = (statements.pop_front(), statements.is_empty()) else {
        return Err(Reason::NotOneStatement.into());
    };
    match &statement {
        Statement::Statement(inner) if matches!(**inner, SqlStatement::Query(_)) => Ok(statement),
        other => {
            let text = other.to_string();
            let word = text.split_whitespace().next().unwrap_or_default().to_uppercase();
            Err(Refusal::new(Reason::NotAQuery, format!("{word} is not allowed")))
        }
    }
}

/// Refuses plans that write, and functions that give another value at each run (`random`, `now`, …).
pub(super) fn check(plan: &LogicalPlan) -> Result<(), Refusal> {
    let mut refusal = None;
    let walked = plan.apply_with_subqueries(|node| {
        if matches!(
            node,
            LogicalPlan::Ddl(_)
                | LogicalPlan::Dml(_)
                | LogicalPlan::Copy(_)
                | LogicalPlan::Statement(_)
                | LogicalPlan::Explain(_)
                | LogicalPlan::Analyze(_)
                | LogicalPlan::DescribeTable(_)
                | LogicalPlan::Extension(_)
        ) {
            refusal = Some(Refusal::from(Reason::NotAQuery));
            return Ok(TreeNodeRecursion::Stop);
        }
        node.apply_expressions(|expr| {
            expr.apply(|inner| {
                if let Some(name) = unstable(inner) {
                    refusal = Some(Refusal::new(Reason::NotDeterministic, name));
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    match (refusal, walked) {
        (Some(refusal), _) => Err(refusal),
        (None, Ok(_)) => Ok(()),
        (None, Err(error)) => Err(Refusal::new(Reason::BadQuery, first_line(&error))),
    }
}

fn unstable(expr: &Expr) -> Option<String> {
    let (volatility, name) = match expr {
        Expr::ScalarFunction(call) => (call.func.signature().volatility, call.func.name()),
        Expr::AggregateFunction(call) => (call.func.signature().volatility, call.func.name()),
        _ => return None,
    };
    (volatility != Volatility::Immutable).then(|| name.to_owned())
}

/// Whether a filter cannot be decided from one row of `readings`.
pub(super) fn needs_other_rows(filter: &Expr) -> bool {
    let found = filter.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
        ))
    });
    found.unwrap_or(true)
}

/// The first line of an error, without the engine's own prefix.
pub(super) fn first_line(error: &DataFusionError) -> String {
    error.strip_backtrace().lines().next().unwrap_or_default().to_owned()
}
