//! What a statement sets stays set when it is run with its token, as without one, save the token itself.

mod preview {
    pub mod world;
}

use pg_backstop_tests::{passes, query_text};
use preview::world::{run, token, world};

#[test]
fn a_statement_sets_what_it_sets() {
    let mut world = world();
    let set = "UPDATE users SET plan = 'x' WHERE id = 1 RETURNING set_config('my.session', 'a', false), set_config('my.transaction', 'b', true)";
    let shown = "SELECT current_setting('my.session', true), current_setting('my.transaction', true), current_setting('backstop.approval')";
    let token = token(&mut world, set);
    passes(&mut world.app, "SET backstop.approval = ''; BEGIN");
    passes(&mut world.app, &run(&token));
    assert_eq!(query_text(&mut world.app, shown), "a|b|");
    passes(&mut world.app, "COMMIT");
    assert_eq!(query_text(&mut world.app, shown), "a||");
    // And what is rolled back is not.
    let other =
        "UPDATE users SET plan = 'y' WHERE id = 1 RETURNING set_config('my.session', 'c', false)";
    let token = preview::world::token(&mut world, other);
    passes(&mut world.app, "BEGIN");
    passes(&mut world.app, &run(&token));
    passes(&mut world.app, "ROLLBACK");
    assert_eq!(query_text(&mut world.app, shown), "a||");
}
