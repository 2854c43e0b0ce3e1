//! A backend that runs out of memory in the middle of capture or preview gets an error, and the server goes on.

use std::fs;

use pg_backstop_tests::postgres::Client;
use pg_backstop_tests::{ClusterOptions, Refusal, passes, query_text, start};

/// Rows of different sizes: many small ones, and a few of some megabytes.
const WORLD: &str = "
    CREATE TABLE small (id bigint PRIMARY KEY, state text, body text);
    INSERT INTO small SELECT n, 'old', repeat('x', 300) FROM generate_series(1, 50000) n;
    CREATE TABLE large (id bigint PRIMARY KEY, state text, body text, data bytea);
    ALTER TABLE large ALTER body SET STORAGE EXTERNAL, ALTER data SET STORAGE EXTERNAL;
    INSERT INTO large SELECT n, 'old', repeat('x', n * 1000000), convert_to(repeat('y', n * 1000000), 'UTF8')
        FROM generate_series(1, 12) n;
    SELECT backstop.protect('small', max_rows => 10); SELECT backstop.protect('large', max_rows => 1)";

const APPROVE: &str = r#"SET backstop.approval = '{"reason": "memory", "max_rows": 1000000}'"#;

const STATEMENTS: [&str; 4] = [
    "DELETE FROM small WHERE state = 'old'",
    "DELETE FROM large WHERE state = 'old'",
    "UPDATE large SET state = 'new', body = body || 'z' WHERE state = 'old'",
    "SELECT backstop.preview('DELETE FROM large WHERE state = ''old''', 'memory'),
            backstop.preview('DELETE FROM small WHERE state = ''old''', 'memory')",
];

const STATE: &str =
    "SELECT (SELECT count(*) FROM small), (SELECT count(*) FROM large WHERE state = 'old'),
    (SELECT count(*) FROM backstop.statement), (SELECT count(*) FROM backstop.request_log)";

/// The size of a process's address space, in bytes.
fn address_space(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the backend lives");
    let line = status.lines().find(|line| line.starts_with("VmSize:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.expect("a size") * 1024
}

fn pid(client: &mut Client) -> i32 {
    query_text(client, "SELECT pg_backend_pid()")
        .parse()
        .expect("a process id")
}

#[test]
fn a_backend_without_memory_gets_an_error_and_the_server_goes_on() {
    let server = start(&ClusterOptions::default());
    let db = server.database();
    let mut admin = db.connect();
    passes(&mut admin, WORLD);
    let before = query_text(&mut admin, STATE);
    let admins = pid(&mut admin);
    let (mut starved, mut fed) = (0, 0);
    for statement in STATEMENTS {
        for megabytes in [1, 4, 12, 32, 96] {
            let mut client = db.connect();
            let backend = pid(&mut client);
            passes(&mut client, APPROVE);
            passes(
                &mut client,
                "SELECT count(*) FROM small; SELECT count(*) FROM large",
            );
            server
                .limit_memory(backend, Some(address_space(backend) + (megabytes << 20)))
                .expect("a limit");
            passes(&mut client, "BEGIN");
            let told = format!("{statement} with {megabytes} MB more");
            match client.batch_execute(statement) {
                Ok(()) => fed += 1,
                Err(error) => {
                    let Some(refusal) = Refusal::of(&error) else {
                        panic!("{told}: {error:?}\n{}", tail(&server.log()));
                    };
                    assert_eq!(refusal.sqlstate, "53200", "{told}: {refusal:?}");
                    starved += 1;
                }
            }
            server.limit_memory(backend, None).expect("no limit");
            // It is the same backend, and it judges as ever.
            passes(&mut client, "ROLLBACK; RESET backstop.approval");
            let refusal = client.batch_execute("DELETE FROM small WHERE id > 1");
            let refusal = refusal.expect_err("this is refused");
            assert_eq!(
                Refusal::of(&refusal).map(|r| r.sqlstate).as_deref(),
                Some("SF001"),
                "{told}"
            );
            assert_eq!(pid(&mut client), backend);
            assert_eq!(query_text(&mut admin, STATE), before, "{told}");
        }
    }
    eprintln!("{starved} ran out of memory, {fed} did not");
    assert!(starved > 4 && fed > 1, "{starved} and {fed}");
    assert_eq!(pid(&mut admin), admins, "the server never restarted");
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
