//! What is let in: one statement that only reads, of tables that are ours, and of a size that can be planned.

use std::ops::ControlFlow;

use datafusion::common::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Select, SetExpr, Statement as Sql, TableFactor, Visit,
    Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::QueryError;

/// Bytes of a statement: far more than people write, little enough that nothing it spells out costs memory.
const MAX_BYTES: usize = 16 << 10;
/// Tokens. Chains of operators become trees as deep as they are long, before their depth can be asked for.
const MAX_TOKENS: usize = 4_000;
/// Depth of an expression; planning and evaluating recurse, on threads with two megabytes of stack.
const MAX_DEPTH: usize = 60;
/// Tables, queries and set operations together.
const MAX_RELATIONS: usize = 40;
/// The stack of the thread that parses: deep enough for [`MAX_TOKENS`] operators in a row.
const PARSER_STACK: usize = 64 << 20;

/// Functions that make a table from their arguments alone.
const TABLE_FUNCTIONS: [&str; 3] = ["generate_series", "range", "unnest"];

/// The statement, if it may run.
pub(super) fn parse(query: &str) -> Result<Statement, QueryError> {
    if query.len() > MAX_BYTES {
        return Err(QueryError::BadRequest(format!("a statement has at most {MAX_BYTES} bytes")));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, query).tokenize();
    let tokens = tokens.map_err(|error| QueryError::BadRequest(error.to_string()))?;
    let meant = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).count();
    if meant > MAX_TOKENS {
        return Err(QueryError::BadRequest(format!("a statement has at most {MAX_TOKENS} words and signs")));
    }
    // A deep tree is built, walked and dropped where there is room for it; what leaves is not deep.
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().name("sql-parser".into()).stack_size(PARSER_STACK);
        let parsed = parser.spawn_scoped(scope, || parse_and_check(query));
        let parsed = parsed.map_err(|error| QueryError::internal("starting the SQL parser", error))?;
        parsed.join().unwrap_or_else(|_| Err(QueryError::BadRequest("the statement cannot be parsed".into())))
    })
}

fn parse_and_check(query: &str) -> Result<Statement, QueryError> {
    let mut parser = DFParserBuilder::new(query).build().map_err(QueryError::of_theirs)?;
    let mut statements = parser.parse_statements().map_err(|error| in_words(&error))?;
    let statement = match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => statement,
        (None, _) => return Err(QueryError::BadRequest("there is no statement".into())),
        (Some(_), _) => return Err(QueryError::BadRequest("one statement at a time".into())),
    };
    let query = reading(&statement)?;
    let mut check = Check::default();
    match query.visit(&mut check) {
        ControlFlow::Continue(()) => Ok(statement),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The query that is run or explained.
fn reading(statement: &Statement) -> Result<&Query, QueryError> {
    match statement {
        Statement::Statement(sql) => match sql.as_ref() {
            Sql::Query(query) => Ok(query),
            _ => Err(only_reading()),
        },
        Statement::Explain(explain) => reading(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => Err(only_reading()),
    }
}

fn only_reading() -> QueryError {
    QueryError::Forbidden(
        "only SELECT, WITH and EXPLAIN are allowed: nothing can be written or set here".into(),
    )
}

fn in_words(error: &DataFusionError) -> QueryError {
    QueryError::BadRequest(error.strip_backtrace())
}

/// Walks a query and stops at what may not be in it.
#[derive(Default)]
struct Check {
    depth: usize,
    relations: usize,
}

impl Check {
    fn count(&mut self) -> ControlFlow<QueryError> {
        self.relations += 1;
        if self.relations > MAX_RELATIONS {
            let error = format!("a statement has at most {MAX_RELATIONS} tables, queries and set operations");
            return ControlFlow::Break(QueryError::TooExpensive(error));
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Check {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<QueryError> {
        let mut body = query.body.as_ref();
        // Set operations lean to the left: one more select for each step down.
        while let SetExpr::SetOperation { left, right, .. } = body {
            self.count()?;
            if writes(right) {
                return ControlFlow::Break(only_reading());
            }
            body = left;
        }
        if writes(body) || !query.locks.is_empty() {
            return ControlFlow::Break(only_reading());
        }
        self.count()
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<QueryError> {
        if select.into.is_some() { ControlFlow::Break(only_reading()) } else { ControlFlow::Continue(()) }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<QueryError> {
        if relation.0.iter().any(|part| matches!(part, ObjectNamePart::Identifier(name) if is_path(name))) {
            let error =
                "tables are logs, spans, metrics, traffic and traffic_hourly; files and URLs cannot be read";
            return ControlFlow::Break(QueryError::Forbidden(error.into()));
        }
        self.count()
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<QueryError> {
        let function = match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                name.to_string()
            }
            TableFactor::TableFunction { expr, .. } => expr.to_string(),
            _ => return ControlFlow::Continue(()),
        };
        if TABLE_FUNCTIONS.contains(&function.to_ascii_lowercase().as_str()) {
            return ControlFlow::Continue(());
        }
        let error = format!(
            "table functions are {}; nothing else can be read through one",
            TABLE_FUNCTIONS.join(", ")
        );
        ControlFlow::Break(QueryError::Forbidden(error))
    }

    fn pre_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let error =
                format!("expressions nest at most {MAX_DEPTH} deep; use IN (…) for long lists of values");
            return ControlFlow::Break(QueryError::BadRequest(error));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _expr: &Expr) -> ControlFlow<QueryError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}

fn writes(body: &SetExpr) -> bool {
    match body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => true,
        SetExpr::Select(_)
        | SetExpr::Query(_)
        | SetExpr::SetOperation { .. }
        | SetExpr::Values(_)
        | SetExpr::Table(_) => false,
    }
}

/// No table of ours is called like a file.
fn is_path(name: &Ident) -> bool {
    name.quote_style == Some('\'') || name.value.contains(['/', '\\', ':', '.', '*', '~'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Blame;

    #[test]
    fn reading_is_let_in() {
        for query in [
            "SELECT 1",
            "select count(*) from logs where body like '%x%';",
            "WITH a AS (SELECT * FROM spans) SELECT * FROM a UNION ALL SELECT * FROM a",
            "EXPLAIN ANALYZE SELECT * FROM traffic",
            "SELECT * FROM generate_series(1, 10)",
            "VALUES (1), (2)",
            "SELECT table_name FROM information_schema.tables",
        ] {
            assert!(parse(query).is_ok(), "{query}: {:?}", parse(query).err());
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_class() {
        #[track_caller]
        fn check(query: &str, blame: Blame) {
            let error = parse(query).expect_err(query);
            assert_eq!(error.blame(), blame, "{query}: {error}");
        }
        for write in [
            "COPY logs TO '/tmp/x.csv'",
            "COPY (SELECT 1) TO 'x.parquet' STORED AS PARQUET",
            "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE TABLE x AS SELECT 1",
            "CREATE VIEW x AS SELECT 1",
            "INSERT INTO logs VALUES (1)",
            "UPDATE logs SET body = ''",
            "DELETE FROM logs",
            "DROP TABLE logs",
            "TRUNCATE TABLE logs",
            "SET datafusion.execution.target_partitions = 1000",
            "RESET datafusion.execution.target_partitions",
            "EXPLAIN INSERT INTO logs VALUES (1)",
            "EXPLAIN COPY logs TO '/tmp/x'",
            "SELECT * INTO x FROM logs",
            "WITH a AS (INSERT INTO logs VALUES (1)) SELECT 1",
            "PREPARE p AS SELECT 1",
            "EXECUTE p",
            "BEGIN",
            "SHOW TABLES",
            "CREATE FUNCTION f() RETURNS INT RETURN 1",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM \"/etc/passwd\"",
            "SELECT * FROM 'https://example.com/x.parquet'",
            "SELECT * FROM (SELECT * FROM 'x.csv')",
            "SELECT (SELECT 1 FROM '/etc/passwd')",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM parquet_metadata('/x')",
            "SELECT * FROM TABLE(read_csv('/x'))",
        ] {
            check(write, Blame::NotAllowed);
        }
        for broken in
            ["", ";", "SELECT", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE logs", "hello", "SELECT 'open"]
        {
            check(broken, Blame::Malformed);
        }
    }

    #[test]
    fn size_and_depth_are_bounded_without_a_deep_stack() {
        let or = "SELECT 1 WHERE 1=1".to_owned() + &" OR 1=1".repeat(900);
        let nested = format!("SELECT {}1{}", "(".repeat(3_000), ")".repeat(3_000));
        let not = format!("SELECT {} true", "NOT ".repeat(3_500));
        let minus = format!("SELECT {}1", "- ".repeat(3_500));
        for query in [or, nested, not, minus, "x".repeat(100_000), "1 ".repeat(5_000)] {
            assert_eq!(parse(&query).expect_err("too deep").blame(), Blame::Malformed);
        }
        let joins = "SELECT 1 FROM logs".to_owned() + &", logs".repeat(100);
        let unions = "SELECT 1".to_owned() + &" UNION ALL SELECT 1".repeat(100);
        for query in [joins, unions] {
            assert_eq!(parse(&query).expect_err("too many").blame(), Blame::TooLarge);
        }
        let list = format!("SELECT * FROM logs WHERE seq IN ({})", vec!["1"; 1_000].join(","));
        assert!(parse(&list).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(query in ".{0,200}") {
            let _ = parse(&query);
        }
    }
}
