//! The table of query shapes: what each query used, against a naive recount over the same evidence.

use std::collections::BTreeMap;

use super::*;
use crate::testkit::{Sold, four_epochs, id, patient};

struct Case {
    sql: String,
    /// Rows of the answer.
    rows: usize,
    /// Which of the rows that may be sold the query uses.
    uses: Box<dyn Fn(&Sold) -> bool>,
}

fn case(sql: impl Into<String>, rows: usize, uses: impl Fn(&Sold) -> bool + 'static) -> Case {
    Case { sql: sql.into(), rows, uses: Box::new(uses) }
}

fn recount(sold: &[Sold], uses: &dyn Fn(&Sold) -> bool) -> Vec<Origin> {
    let mut counts = BTreeMap::new();
    for row in sold.iter().filter(|row| uses(row)) {
        *counts.entry((row.device, row.epoch)).or_insert(0) += 1;
    }
    counts.into_iter().map(|((device, epoch), rows)| Origin { device, epoch, rows }).collect()
}

fn temperature(row: &Sold) -> f64 {
    f64::from(row.values[0].unwrap()) / 100.0
}

fn cases() -> Vec<Case> {
    let (one, two) = (id(1), id(2));
    let e2 = crate::testkit::SCHEDULE.start_of(Epoch(2)).0.cast_signed();
    vec![
        case("SELECT * FROM readings", 435, |_| true),
        case("SELECT count(*) FROM readings", 1, |_| true),
        case("SELECT temperature_c FROM readings WHERE epoch = 2", 105, |r| r.epoch.0 == 2),
        case(format!("SELECT time FROM readings WHERE device = '{one}'"), 120, |r| r.number == 1),
        case(
            format!("SELECT avg(temperature_c) FROM readings WHERE device IN ('{one}', '{two}')"),
            1,
            |r| r.number <= 2,
        ),
        case("SELECT device, avg(temperature_c) FROM readings GROUP BY device", 4, |_| true),
        case(
            "SELECT device, epoch, max(temperature_c) m FROM readings GROUP BY device, epoch HAVING max(temperature_c) > 30",
            7,
            |_| true,
        ),
        case("SELECT * FROM readings WHERE temperature_c > 40.10", 94, |r| temperature(r) > 40.10),
        case(
            "SELECT * FROM readings WHERE temperature_c BETWEEN 20 AND 20.05 AND epoch < 3",
            6,
            |r| (20.0..=20.05).contains(&temperature(r)) && r.epoch.0 < 3,
        ),
        case(
            "SELECT time FROM readings WHERE time >= '2013-01-01T02:00:00' AND time < '2013-01-01T02:10:00'",
            20,
            move |r| r.time >= e2 && r.time < e2 + 600_000,
        ),
        case("SELECT rain_mm FROM readings WHERE rain_mm IS NOT NULL AND epoch = 0", 20, |r| {
            r.epoch.0 == 0 && r.values[5].is_some()
        }),
        case("SELECT pressure_hpa FROM readings WHERE pressure_hpa > 0", 0, |_| false),
        case("SELECT * FROM readings WHERE epoch = 9", 0, |_| false),
        case("SELECT * FROM readings WHERE 1 = 0", 0, |_| false),
        case(
            "SELECT * FROM readings WHERE epoch = 0 ORDER BY temperature_c DESC LIMIT 3",
            3,
            |r| r.epoch.0 == 0,
        ),
        case(
            "SELECT device, time, row_number() OVER (PARTITION BY device ORDER BY time) n FROM readings WHERE epoch = 1",
            90,
            |r| r.epoch.0 == 1,
        ),
        case(
            "WITH hot AS (SELECT * FROM readings WHERE temperature_c > 40) SELECT count(*) FROM hot WHERE epoch = 1",
            1,
            |r| temperature(r) > 40.0 && r.epoch.0 == 1,
        ),
        case(
            "WITH r AS (SELECT * FROM readings WHERE epoch = 0) SELECT count(*) FROM r a JOIN r b ON a.time = b.time",
            1,
            |r| r.epoch.0 == 0,
        ),
        case(
            "SELECT d.owner, count(*) FROM readings r JOIN devices d ON r.device = d.device WHERE r.epoch = 3 GROUP BY d.owner",
            3,
            |r| r.epoch.0 == 3,
        ),
        case(
            "SELECT count(*) FROM readings WHERE temperature_c > (SELECT avg(temperature_c) FROM readings WHERE epoch = 0)",
            1,
            |_| true,
        ),
        case(
            "SELECT count(*) FROM readings WHERE epoch = 1 AND device IN (SELECT device FROM devices WHERE lat < 40.15)",
            1,
            |r| r.epoch.0 == 1,
        ),
        case(
            "SELECT temperature_c FROM readings WHERE epoch = 0 UNION ALL SELECT temperature_c FROM readings WHERE epoch <= 1",
            330,
            |r| r.epoch.0 <= 1,
        ),
        case("SELECT DISTINCT device FROM readings WHERE epoch = 1", 3, |r| r.epoch.0 == 1),
        case("SELECT count(*) FROM devices", 1, |_| false),
        case("SELECT 1 + 1", 1, |_| false),
        case(
            "SELECT date_trunc('hour', time) h, avg(humidity_pct) FROM readings WHERE epoch IN (0, 2) GROUP BY h",
            2,
            |r| matches!(r.epoch.0, 0 | 2),
        ),
        case("SELECT cell FROM readings WHERE lat > 40.35 OR epoch = 0", 195, |r| {
            r.number == 4 || r.epoch.0 == 0
        }),
    ]
}

#[tokio::test]
async fn origins_are_exactly_the_rows_used() {
    let dir = tempfile::tempdir().unwrap();
    let network = four_epochs(0);
    let catalog = network.catalog(dir.path()).await;
    let engine = Engine::new(patient());
    let sold = network.state().sold.clone();
    assert_eq!(sold.len(), 435);
    for case in cases() {
        let answer = engine.run(catalog.snapshot(), &case.sql).await;
        let answer = answer.unwrap_or_else(|refusal| panic!("{}: {refusal}", case.sql));
        assert_eq!(answer.rows.len(), case.rows, "{}", case.sql);
        assert_eq!(answer.origins, recount(&sold, &*case.uses), "{}", case.sql);
    }
}

#[tokio::test]
async fn a_limit_alone_uses_only_what_it_lets_through() {
    let dir = tempfile::tempdir().unwrap();
    let network = four_epochs(0);
    let catalog = network.catalog(dir.path()).await;
    let engine = Engine::new(patient());
    for (sql, units) in [
        ("SELECT * FROM readings LIMIT 7", 7),
        ("SELECT device FROM readings WHERE epoch = 1 LIMIT 5 OFFSET 2", 7),
        ("SELECT count(*) FROM (SELECT * FROM readings WHERE temperature_c > 20 LIMIT 10)", 10),
        ("SELECT * FROM readings LIMIT 0", 0),
    ] {
        let answer = engine.run(catalog.snapshot(), sql).await.unwrap();
        assert_eq!(answer.units(), units, "{sql}");
        let again = engine.run(catalog.snapshot(), sql).await.unwrap();
        assert_eq!(again, answer, "{sql}");
    }
}

#[tokio::test]
async fn values_keep_their_unit() {
    let dir = tempfile::tempdir().unwrap();
    let network = four_epochs(0);
    let catalog = network.catalog(dir.path()).await;
    let sql = format!(
        "SELECT device, epoch, time, cell, lat, temperature_c, wind_dir_deg, rain_mm, pressure_hpa \
         FROM readings WHERE device = '{}' AND epoch = 1 ORDER BY time LIMIT 2",
        id(2)
    );
    let answer = Engine::new(patient()).run(catalog.snapshot(), &sql).await.unwrap();
    assert_eq!(answer.columns[2..5], ["time", "cell", "lat"]);
    let cell = network.state().devices[1].cell.to_string();
    let expected = serde_json::json!([
        [id(2), 1, "2013-01-01T01:00:00", cell, 40.2, 21.0, 90.0, 0.2, null],
        [id(2), 1, "2013-01-01T01:02:00", cell, 40.2, 21.01, 90.0, null, null],
    ]);
    assert_eq!(serde_json::to_value(&answer.rows).unwrap(), expected);
}

#[tokio::test]
async fn refusals() {
    let dir = tempfile::tempdir().unwrap();
    let network = four_epochs(0);
    let catalog = network.catalog(dir.path()).await;
    let engine = Engine::new(QueryLimits { answer_rows_max: 200, ..patient() });
    let long = format!("SELECT '{}'", "x".repeat(params::SQL_BYTES_MAX));
    for (sql, reason) in [
        (long.as_str(), Reason::SqlTooLong),
        ("SELEC 1", Reason::SqlSyntax),
        ("SELECT * FROM readings WHERE (", Reason::SqlSyntax),
        ("", Reason::NotOneStatement),
        ("SELECT 1; SELECT 2", Reason::NotOneStatement),
        ("CREATE TABLE t AS SELECT 1", Reason::NotAQuery),
        ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", Reason::NotAQuery),
        ("INSERT INTO devices SELECT * FROM devices", Reason::NotAQuery),
        ("DELETE FROM readings", Reason::NotAQuery),
        ("UPDATE readings SET lat = 0", Reason::NotAQuery),
        ("DROP TABLE readings", Reason::NotAQuery),
        ("COPY readings TO '/tmp/out.parquet'", Reason::NotAQuery),
        ("SET datafusion.execution.batch_size = 1", Reason::NotAQuery),
        ("SHOW TABLES", Reason::NotAQuery),
        ("EXPLAIN SELECT * FROM readings", Reason::NotAQuery),
        ("EXPLAIN ANALYZE SELECT * FROM readings", Reason::NotAQuery),
        ("SELECT * FROM '/etc/passwd'", Reason::UnknownTable),
        ("SELECT * FROM \"a.parquet\"", Reason::UnknownTable),
        ("SELECT * FROM information_schema.tables", Reason::UnknownTable),
        ("SELECT * FROM datafusion.public.readings", Reason::UnknownTable),
        ("SELECT now()", Reason::NotDeterministic),
        ("SELECT * FROM readings WHERE time > now()", Reason::NotDeterministic),
        ("SELECT nothing FROM readings", Reason::BadQuery),
        ("SELECT temperature_c + device FROM readings GROUP BY 1, seq, foo", Reason::BadQuery),
        ("SELECT * FROM readings", Reason::TooManyRows),
        ("SELECT 1 / (epoch - epoch) FROM readings", Reason::QueryFailed),
    ] {
        let refused = engine.run(catalog.snapshot(), sql).await.unwrap_err();
        assert_eq!(refused.reason, reason, "{sql}: {refused}");
    }
}

/// As deep as the limits allow: an answer or a refusal, and the process lives.
#[test]
fn no_query_is_too_deep_for_the_stack() {
    let query = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(deepest_queries());
    };
    let thread = std::thread::Builder::new().stack_size(params::QUERY_STACK_BYTES);
    thread.spawn(query).unwrap().join().unwrap();
}

async fn deepest_queries() {
    let dir = tempfile::tempdir().unwrap();
    let network = four_epochs(0);
    let catalog = network.catalog(dir.path()).await;
    let engine = Engine::new(patient());
    let half = params::SQL_TOKENS_MAX / 2;
    let sum = |n: usize| format!("SELECT lat{} FROM readings LIMIT 1", "+1".repeat(n));
    let union = vec!["SELECT lat FROM readings"; 160].join(" UNION ALL ") + " LIMIT 1";
    let nested = |n: usize| {
        format!("SELECT {}1{} FROM readings LIMIT 1", "abs(-(".repeat(n), "))".repeat(n))
    };
    let not = format!("SELECT lat FROM readings WHERE {} lat > 0", "NOT ".repeat(900));
    for (sql, refused) in [
        (sum(half - 10), None),
        (sum(half), Some(Reason::SqlTooLong)),
        (union, None),
        (nested(12), None),
        (nested(1_000), Some(Reason::SqlTooLong)),
        (nested(150), Some(Reason::SqlSyntax)),
        (not, Some(Reason::SqlSyntax)),
    ] {
        assert!(sql.len() <= params::SQL_BYTES_MAX);
        let answer = engine.run(catalog.snapshot(), &sql).await;
        assert_eq!(answer.err().map(|refused| refused.reason), refused, "{}…", &sql[..40]);
    }
}

#[tokio::test]
async fn limits_of_one_query() {
    let dir = tempfile::tempdir().unwrap();
    let network = four_epochs(0);
    let catalog = network.catalog(dir.path()).await;
    let run = async |limits: QueryLimits, sql: &str| {
        Engine::new(limits).run(catalog.snapshot(), sql).await.unwrap_err().reason
    };
    let limits = patient();
    let sort = "SELECT * FROM readings ORDER BY temperature_c";
    let cross = "SELECT sum(a.seq + b.seq + c.seq) FROM readings a, readings b, readings c";
    assert_eq!(
        run(QueryLimits { memory_bytes_max: 1_024, ..limits }, sort).await,
        Reason::OutOfMemory
    );
    assert_eq!(
        run(QueryLimits { answer_bytes_max: 64, ..limits }, sort).await,
        Reason::TooManyBytes
    );
    assert_eq!(run(QueryLimits { queries_max: 0, ..limits }, sort).await, Reason::Busy);
    let short = QueryLimits { time_max: Duration::from_millis(5), ..limits };
    assert_eq!(run(short, cross).await, Reason::TimedOut);
}
