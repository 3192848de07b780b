//! What must be there, looked for through the API.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::time::sleep;

use crate::client::{Table, number};
use crate::server::Server;

use super::gateway::{Gateway, Key, Sums, Tally};
use super::writer::{SERVICE, Writer};

/// How many things [`all`] checks.
pub(super) const CHECKS: u64 = 3;
/// A file that is not read on for so long won't be: collectors look at files several times a second.
const STALLED: Duration = Duration::from_secs(60);
/// Records compared one by one in one query; the API returns at most 10 000 rows.
const WINDOW: u64 = 5000;
/// So many are named.
const NAMED: usize = 10;

/// Compares everything while nobody writes. Each failure is a sentence that names the records.
pub(super) async fn all(server: &Server, writers: &[Writer], gateway: &Gateway) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    failures.extend(records(server, writers).await?);
    let tally = gateway.tally().await;
    failures.extend(traffic_rows(server, &tally).await?);
    failures.extend(rollups(server, &tally).await?);
    Ok(failures)
}

async fn sql(server: &Server, query: &str) -> Result<Table> {
    server.admin.sql(&server.ready.console_url, query).await
}

async fn records(server: &Server, writers: &[Writer]) -> Result<Option<String>> {
    let query = format!(
        "SELECT substr(body, 1, 3) AS writer, count(*) AS n, count(DISTINCT substr(body, 1, 14)) AS different \
         FROM logs WHERE service_name = '{SERVICE}' GROUP BY 1"
    );
    let mut found: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in sql(server, &query).await?.rows {
        let writer =
            row.first().and_then(|value| value.as_str()).context("the writer's name is no text")?.to_owned();
        found.insert(writer, (number(&row[1])?, number(&row[2])?));
    }
    for writer in writers {
        let expect = i64::try_from(writer.acknowledged()).context("more records than any run writes")?;
        let (rows, different) = found.get(&format!("w{:02}", writer.id)).copied().unwrap_or_default();
        if (rows, different) != (expect, expect) {
            let names = name_records(server, writer).await?;
            return Ok(Some(format!(
                "writer {}: {expect} records acknowledged, {rows} rows found, {different} different: {names}",
                writer.id
            )));
        }
    }
    Ok(None)
}

/// Says which records of a writer are missing or there more than once.
async fn name_records(server: &Server, writer: &Writer) -> Result<String> {
    let mut names = Vec::new();
    for start in (0..writer.acknowledged()).step_by(WINDOW as usize) {
        let end = (start + WINDOW).min(writer.acknowledged());
        let query = format!(
            "SELECT substr(body, 1, 14) AS label, count(*) AS n FROM logs WHERE service_name = '{SERVICE}' \
             AND body >= '{}' AND body < '{}' GROUP BY 1",
            Writer::label(writer.id, start),
            Writer::label(writer.id, end),
        );
        let mut counts = BTreeMap::new();
        for row in sql(server, &query).await?.rows {
            counts.insert(row[0].as_str().unwrap_or_default().to_owned(), number(&row[1])?);
        }
        for label in (start..end).map(|number| Writer::label(writer.id, number)) {
            match counts.get(&label).copied().unwrap_or(0) {
                1 => {}
                0 => names.push(format!("{label} is lost")),
                n => names.push(format!("{label} is there {n} times")),
            }
        }
        if names.len() > NAMED {
            break;
        }
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push("and more".to_owned());
    }
    if names.is_empty() {
        names.push("rows that nobody sent".to_owned());
    }
    Ok(names.join(", "))
}

/// Waits until the file is read, then checks that each line is one row.
async fn traffic_rows(server: &Server, tally: &Tally) -> Result<Option<String>> {
    let expect = i64::try_from(tally.lines).context("more lines than any run writes")?;
    let mut last = (-1, Instant::now());
    let rows = loop {
        let rows = sql(server, "SELECT count(*) FROM traffic").await?.numbers()?[0];
        if rows >= expect || last.1.elapsed() > STALLED {
            break rows;
        }
        if rows != last.0 {
            last = (rows, Instant::now());
        }
        sleep(Duration::from_millis(50)).await;
    };
    let twice = "SELECT correlation_id, kind, coalesce(leg, -1) AS leg, count(*) AS n FROM traffic \
                 GROUP BY 1, 2, 3 HAVING count(*) > 1 ORDER BY 1 LIMIT 10";
    let twice = sql(server, twice).await?.rows;
    if rows == expect && twice.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> =
        twice.iter().map(|row| serde_json::Value::from(row.clone()).to_string()).collect();
    Ok(Some(format!(
        "the gateway wrote {expect} lines, {rows} rows found; more than once: [{}]",
        names.join(", ")
    )))
}

async fn rollups(server: &Server, tally: &Tally) -> Result<Option<String>> {
    let query = "SELECT to_unixtime(hour), kind, service, sum(count), sum(duration_sum_ms), sum(bytes_sent) \
                 FROM traffic_hourly GROUP BY 1, 2, 3";
    let mut found = BTreeMap::new();
    for row in sql(server, query).await?.rows {
        let text = |at: usize| row.get(at).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let sums =
            Sums { count: number(&row[3])?, duration_ms: number(&row[4])?, bytes_sent: number(&row[5])? };
        found.insert((number(&row[0])?, text(1), text(2)), sums);
    }
    let differences: Vec<String> = differences(&tally.rolled_up, found);
    match differences.len() {
        0 => Ok(None),
        n => Ok(Some(format!("{n} rollup rows differ: {}", differences[..n.min(NAMED)].join("; ")))),
    }
}

fn differences(
    expect: &BTreeMap<Key, Sums>,
    mut found: BTreeMap<(i64, String, String), Sums>,
) -> Vec<String> {
    let mut differences = Vec::new();
    for (&(hour, kind, service), &wanted) in expect {
        let got = found.remove(&(hour, kind.to_owned(), service.to_owned())).unwrap_or_default();
        // Where a summary's own duration comes from is the collector's choice; its count is not.
        let same = if kind == "summary" { got.count == wanted.count } else { got == wanted };
        if !same {
            differences.push(format!("hour {hour} {kind} {service}: wrote {wanted:?}, rolled up {got:?}"));
        }
    }
    differences.extend(found.into_iter().map(|(key, sums)| format!("{key:?}: nobody wrote {sums:?}")));
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_of_the_rollups_is_named() {
        let sums = |count, bytes_sent| Sums { count, duration_ms: 5, bytes_sent };
        let expect = BTreeMap::from([((0, "leg", "a"), sums(1, 10)), ((3600, "summary", "a"), sums(2, 0))]);
        let own = |key: Key, sums| ((key.0, key.1.to_owned(), key.2.to_owned()), sums);
        let same =
            BTreeMap::from([own((0, "leg", "a"), sums(1, 10)), own((3600, "summary", "a"), sums(2, 7))]);
        assert!(differences(&expect, same.clone()).is_empty());

        let mut wrong = same;
        wrong.insert((0, "leg".to_owned(), "a".to_owned()), sums(1, 20));
        wrong.remove(&(3600, "summary".to_owned(), "a".to_owned()));
        wrong.insert((0, "leg".to_owned(), "b".to_owned()), sums(1, 1));
        assert_eq!(differences(&expect, wrong).len(), 3);
    }
}
