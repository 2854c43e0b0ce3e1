//! Work that nobody is connected for: a job of pg_cron, run by a background worker.

use pg_backstop_tests::{
    ClusterOptions, comes_to, install, installation, passes, query_text, start,
};

#[test]
fn a_background_worker_is_guarded() {
    match install::extension(installation(), "cron", "pg_cron") {
        Ok(true) => {}
        Ok(false) => return println!("SKIPPED: no pg_cron for this PostgreSQL"),
        Err(error) => return println!("SKIPPED: {error:#}"),
    }
    let options = ClusterOptions::default()
        .set("shared_preload_libraries", "pg_cron,pg_backstop")
        .set("cron.use_background_workers", "on")
        .set("max_worker_processes", "20");
    let server = start(&options);
    let mut admin = server.admin();
    passes(
        &mut admin,
        "CREATE EXTENSION pg_cron; CREATE EXTENSION pg_backstop;
         CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 100);
         SELECT backstop.protect('users', max_rows => 3);
         SELECT cron.schedule('* * * * *', 'DELETE FROM users WHERE id > 50'),
                cron.schedule('* * * * *', 'DELETE FROM users WHERE id = 7')",
    );
    // pg_cron begins its jobs with the minute.
    let ended = "SELECT count(DISTINCT jobid) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')";
    comes_to(&mut admin, ended, "2");
    let outcomes = "SELECT DISTINCT jobid, status, return_message ~ 'SF001|is refused|range' FROM cron.job_run_details ORDER BY 1";
    assert_eq!(
        query_text(&mut admin, outcomes),
        "1|failed|t\n2|succeeded|f"
    );
    assert_eq!(query_text(&mut admin, "SELECT count(*) FROM users"), "99");
    let recorded = "SELECT rows, application_name FROM backstop.statement";
    assert!(query_text(&mut admin, recorded).starts_with("1|"));
}
