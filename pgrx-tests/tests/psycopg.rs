//! A client that isn't psql and isn't ours: psycopg 3 with server-side prepared statements.

use std::process::Command;

use pg_backstop_tests::{database, python_venv};

#[test]
fn psycopg_reads_every_field_of_a_refusal() {
    let python = python_venv(&["psycopg[binary]"]).expect("psycopg can be installed");
    let db = database();
    let output = Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/clients/psycopg_client.py"
        ))
        .arg(db.conninfo("postgres"))
        .arg(db.conninfo("app"))
        .output()
        .expect("python can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
}
