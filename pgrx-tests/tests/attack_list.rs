//! The attack list: statements that must be refused, each with its SQLSTATE, and innocent ones beside them that
//! must pass. A false refusal fails the list as surely as a hole. The statements are in the rooms, SQL files in
//! `attack_list/`; `attack_list/world.sql` is what they are run against, as the ordinary role `app`.

mod attack_list {
    pub mod case;
}

use attack_list::case::{Case, Expect, cases, complaint, run, run_prepared};
use pg_backstop_tests::{Database, database, query_text};
use postgres::Client;
use postgres::error::SqlState;

/// How many attacks and innocents the list must hold, whatever is edited in it.
const LEAST_REFUSED: usize = 640;
const LEAST_PASSED: usize = 460;

/// A prepared statement gets its generic plan at the sixth execution at the earliest.
const EXECUTIONS: usize = 7;

/// The world, its connection as `app`, and the cases this server's version and modules allow.
struct Field {
    database: Database,
    client: Client,
    cases: Vec<Case>,
    checksum: String,
}

fn field() -> Field {
    let database = database();
    let mut superuser = database.connect();
    superuser
        .batch_execute(include_str!("attack_list/world.sql"))
        .expect("the world");
    superuser
        .batch_execute(include_str!("attack_list/world_everyday.sql"))
        .expect("the everyday part of the world");
    let mut list = Vec::new();
    let mut room = |name, text| list.extend(cases(name, text));
    room("bigint key", include_str!("attack_list/bigint_key.sql"));
    room("other keys", include_str!("attack_list/other_keys.sql"));
    room("unqualified", include_str!("attack_list/unqualified.sql"));
    room("always true", include_str!("attack_list/always_true.sql"));
    room(
        "upsert and key",
        include_str!("attack_list/upsert_and_key.sql"),
    );
    room(
        "joins and subqueries",
        include_str!("attack_list/joins_and_subqueries.sql"),
    );
    room("series", include_str!("attack_list/series.sql"));
    room(
        "pinned target",
        include_str!("attack_list/pinned_target.sql"),
    );
    room("boolean key", include_str!("attack_list/boolean_key.sql"));
    room("indirect", include_str!("attack_list/indirect.sql"));
    room("partitions", include_str!("attack_list/partitions.sql"));
    room("inheritance", include_str!("attack_list/inheritance.sql"));
    room("limits", include_str!("attack_list/limits.sql"));
    room("everyday", include_str!("attack_list/everyday.sql"));
    room("odd forms", include_str!("attack_list/odd_forms.sql"));
    room("parameters", include_str!("attack_list/parameters.sql"));
    let version = query_text(&mut superuser, "SHOW server_version_num");
    let version: u32 = version.parse().expect("a version");
    if version >= 150_000 {
        room("merge", include_str!("attack_list/merge.sql"));
    }
    if version >= 170_000 {
        room("JSON_TABLE", include_str!("attack_list/json_table.sql"));
    }
    if version >= 180_000 {
        room(
            "virtual columns",
            include_str!("attack_list/virtual_columns.sql"),
        );
    }
    if query_text(
        &mut superuser,
        "SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'",
    ) == "1"
    {
        superuser
            .batch_execute(include_str!("attack_list/world_citext.sql"))
            .expect("the citext part of the world");
        room("citext key", include_str!("attack_list/citext_key.sql"));
    } else {
        println!("attack list: the room for citext keys is left out, this server lacks the module");
    }
    match superuser.batch_execute("SELECT '<a/>'::xml") {
        Ok(()) => room("XML", include_str!("attack_list/xml.sql")),
        Err(_) => println!("attack list: the room for XML is left out, this server lacks libxml"),
    }
    match superuser.batch_execute(include_str!("attack_list/world_collation.sql")) {
        Ok(()) => room("collated key", include_str!("attack_list/collated_key.sql")),
        Err(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) => {
            println!("attack list: the room for collated keys is left out, this server lacks ICU");
        }
        Err(error) => panic!("the collated part of the world: {error:?}"),
    }
    let mut client = database.connect_as("app");
    let checksum = query_text(&mut client, "SELECT world_checksum()");
    Field {
        database,
        client,
        cases: list,
        checksum,
    }
}

impl Field {
    /// Runs a case in a transaction that is rolled back; says what was wrong with it, if anything.
    fn attempt(
        &mut self,
        case: &Case,
        act: impl FnOnce(&mut Client) -> Option<String>,
    ) -> Option<String> {
        self.client.batch_execute("BEGIN").expect("BEGIN");
        let complaint = act(&mut self.client);
        self.client
            .batch_execute("ROLLBACK; DEALLOCATE ALL")
            .expect("ROLLBACK");
        let loss = (query_text(&mut self.client, "SELECT world_checksum()") != self.checksum)
            .then(|| "changed the world it was rolled back from".to_owned());
        complaint.or(loss).map(|text| format!("{case}\n    {text}"))
    }

    fn pick(&self, choose: impl Fn(&Case) -> bool) -> Vec<Case> {
        self.cases
            .iter()
            .filter(|case| choose(case))
            .cloned()
            .collect()
    }
}

fn verdict(complaints: Vec<String>) {
    assert!(
        complaints.is_empty(),
        "{} cases failed:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

/// The value every case below checks beside the answer: what the statement left in its own transaction.
fn changed(client: &mut Client, before: &str) -> bool {
    query_text(client, "SELECT world_checksum()") != before
}

#[test]
fn every_attack_is_refused_and_every_innocent_statement_passes() {
    let mut field = field();
    let list = field.pick(|case| case.values.is_none());
    let mut complaints = Vec::new();
    for case in &list {
        complaints.extend(field.attempt(case, |client| {
            complaint(case.expect, &run(client, case.statement))
        }));
    }
    let refused = list
        .iter()
        .filter(|case| case.expect != Expect::Passes)
        .count();
    let passed = list.len() - refused;
    verdict(complaints);
    println!("attack list: {refused} refused, {passed} passed");
    assert!(
        refused >= LEAST_REFUSED,
        "the list has shrunk to {refused} attacks"
    );
    assert!(
        passed >= LEAST_PASSED,
        "the list has shrunk to {passed} innocent statements"
    );
}

#[test]
fn a_refused_statement_leaves_nothing_behind_outside_a_transaction() {
    let mut field = field();
    let mut complaints = Vec::new();
    for case in field.pick(|case| case.expect != Expect::Passes && case.is_one_planned_statement())
    {
        if case.values.is_some() {
            continue;
        }
        let answer = run(&mut field.client, case.statement);
        complaints
            .extend(complaint(case.expect, &answer).map(|text| format!("{case}\n    {text}")));
        assert!(
            !changed(&mut field.client, &field.checksum),
            "{case}\n    changed the world"
        );
    }
    verdict(complaints);
}

#[test]
fn bound_parameters_and_generic_plans_change_no_verdict() {
    let mut field = field();
    let (mut refused, mut passed) = (0, 0);
    let mut complaints = Vec::new();
    for case in field.pick(|case| case.values.is_some() || case.is_one_planned_statement()) {
        match case.expect {
            Expect::Refused(_) => refused += 1,
            Expect::Passes => passed += 1,
        }
        complaints.extend(field.attempt(&case, |client| prepared_complaint(client, &case)));
    }
    verdict(complaints);
    println!(
        "attack list, extended protocol: {refused} refused, {passed} passed, {EXECUTIONS} executions each and one forced to a generic plan"
    );
    assert!(
        refused >= 300 && passed >= 160,
        "too few statements were prepared: {refused} refused, {passed} passed"
    );
}

/// Prepares the case once and runs it often, each time from the same state.
fn prepared_complaint(client: &mut Client, case: &Case) -> Option<String> {
    let statement = match client.prepare(case.statement) {
        Ok(statement) => statement,
        Err(error) => return Some(format!("could not be prepared: {error:?}")),
    };
    let values = case.values.clone().unwrap_or_default();
    for execution in 1..=EXECUTIONS + 1 {
        client.batch_execute("SAVEPOINT again").expect("SAVEPOINT");
        if execution > EXECUTIONS {
            client
                .batch_execute("SET LOCAL plan_cache_mode = force_generic_plan")
                .expect("SET LOCAL");
        }
        let answer = run_prepared(client, &statement, &values);
        client
            .batch_execute("ROLLBACK TO again")
            .expect("ROLLBACK TO");
        if let Some(text) = complaint(case.expect, &answer) {
            return Some(format!("execution {execution}: {text}"));
        }
    }
    None
}

#[test]
fn plain_explain_is_never_refused_and_shows_the_verdict() {
    let mut field = field();
    let mut complaints = Vec::new();
    for case in field.pick(|case| case.values.is_none() && case.is_one_planned_statement()) {
        complaints.extend(field.attempt(&case, |client| explain_complaint(client, &case)));
    }
    verdict(complaints);
}

fn explain_complaint(client: &mut Client, case: &Case) -> Option<String> {
    let plan = match client.query(&format!("EXPLAIN {}", case.statement), &[]) {
        Ok(rows) => rows
            .iter()
            .map(|row| row.get::<_, String>(0))
            .collect::<Vec<_>>()
            .join(" / "),
        Err(error) => return Some(format!("EXPLAIN was refused: {error:?}")),
    };
    let static_rules = ["SF001", "SF002", "SF003", "SF004"];
    let shown = static_rules.iter().any(|code| plan.contains(code));
    match case.expect {
        Expect::Refused(codes) if static_rules.iter().any(|code| codes.contains(code)) => {
            let named = codes.split('|').any(|code| plan.contains(code));
            (!named && !is_decided_later(case))
                .then(|| format!("EXPLAIN does not show {codes}: {plan}"))
        }
        _ => {
            shown.then(|| format!("EXPLAIN shows a verdict against an innocent statement: {plan}"))
        }
    }
}

/// Statements whose refused part another statement holds: a trigger's, which planning the outer one can't see.
fn is_decided_later(case: &Case) -> bool {
    case.name.contains("trigger")
}

#[test]
fn with_the_guard_off_every_attack_does_its_damage() {
    let mut field = field();
    field
        .database
        .connect()
        .batch_execute(&format!(
            "ALTER DATABASE {} SET backstop.mode = off",
            field.database.name
        ))
        .expect("ALTER DATABASE");
    field.client = field.database.connect_as("app");
    let before = field.checksum.clone();
    let mut complaints = Vec::new();
    for case in &field.pick(|_| true) {
        complaints.extend(field.attempt(case, |client| {
            let answer = match &case.values {
                None => run(client, case.statement),
                Some(values) => {
                    let statement = client.prepare(case.statement).expect(case.name);
                    run_prepared(client, &statement, values)
                }
            };
            match (case.expect, answer) {
                (_, Err(error)) => Some(format!("failed for another reason: {error}")),
                (Expect::Refused(_), Ok(())) if !changed(client, &before) => {
                    Some("is no attack: nothing changed".into())
                }
                _ => None,
            }
        }));
    }
    verdict(complaints);
}
