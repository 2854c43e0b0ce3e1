//! Registered sequences: a change that breaks the policy is refused before it happens, because sequences do not roll
//! back; every change that passes is recorded.
//!
//! setval is a function call that no utility hook sees. `rewrite` turns its calls into calls of `backstop.guarded_setval`
//! (`guard`) before planning, and again in the finished plan, where inlined SQL functions have brought in theirs. What is
//! left (defaults that COPY evaluates, CHECK expressions, the fast-path protocol) meets the object-access hook.
//!
//! While a preview runs, nextval, currval and lastval are replaced too (`preview`): registered sequences stay where they
//! are, and the statement sees the values it would have seen.

mod changes;
pub mod constant;
pub mod guard;
pub mod preview;
pub mod put_back;
pub mod restore;
pub mod rewrite;
pub mod state;
