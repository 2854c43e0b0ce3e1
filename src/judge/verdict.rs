//! What a statement is found to break, rule by rule, in the contract's order.

use super::classes::Classes;
use super::key_range::{KeyReading, key_readings};
use super::pins::Facts;
use super::predicate::{BodyId, InstanceId, Operand, Predicate};
use super::statement::{Action, Statement, Target, Verb};
use super::unqualified::unqualified;
use crate::model::ProtectedTarget;

/// A broken rule and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    KeyRange(KeyReading),
    /// `conditional`: there is a condition, but it lets every row through.
    Unqualified {
        target: InstanceId,
        verb: Verb,
        conditional: bool,
    },
    /// `columns`: the arbiter's, or of a MERGE the key that it matches on.
    KeyUpsert {
        target: InstanceId,
        merge: bool,
        columns: Vec<i16>,
    },
    KeyUpdate {
        target: InstanceId,
        verb: Verb,
        attno: i16,
    },
    MixedUpstreams {
        target: InstanceId,
        columns: Vec<i16>,
    },
}

impl Finding {
    fn order(&self) -> u8 {
        match self {
            Finding::KeyRange(_) => 1,
            Finding::Unqualified { .. } => 2,
            Finding::KeyUpsert { .. } => 3,
            Finding::KeyUpdate { .. } => 4,
            Finding::MixedUpstreams { .. } => 5,
        }
    }
}

/// Every rule that the statement's destructive parts break.
pub fn judge(statement: &Statement) -> Vec<Finding> {
    let actions = statement.targets.iter().flat_map(|t| &t.actions);
    let roots: Vec<&Predicate> = actions.map(|a| &a.predicate).collect();
    let classes = Classes::of(statement, &roots);
    let mut findings: Vec<Finding> = Vec::new();
    for target in statement.targets.iter().filter(|t| !is_given(statement, t)) {
        for action in &target.actions {
            let own = Some(target.instance).filter(|_| action.verb != Verb::Cursor);
            let readings = key_readings(statement, &classes, own, &action.predicate);
            findings.extend(readings.into_iter().map(Finding::KeyRange));
        }
    }
    for target in &statement.targets {
        findings.extend(judge_target(statement, target));
    }
    findings.sort_by_key(Finding::order);
    let mut distinct: Vec<Finding> = Vec::new();
    for finding in findings {
        if !distinct.contains(&finding) {
            distinct.push(finding);
        }
    }
    distinct
}

/// Does every action name the target's rows by given values? Then nothing it reads elsewhere finds further ones; the
/// statement's other targets answer for themselves. A cursor's rows may be of any table it reads.
fn is_given(statement: &Statement, target: &Target) -> bool {
    target.actions.iter().all(|action| {
        action.verb != Verb::Cursor
            && Facts::given(&action.predicate).pins_row(statement, target.instance)
    })
}

fn judge_target(statement: &Statement, target: &Target) -> Vec<Finding> {
    let Some(protected) = statement.instances[target.instance].target.clone() else {
        return Vec::new();
    };
    let instance = target.instance;
    let mut findings = Vec::new();
    for action in &target.actions {
        if needs_condition(action.verb) && unqualified(statement, instance, &action.predicate) {
            let conditional = !is_empty(&action.predicate);
            findings.push(Finding::Unqualified {
                target: instance,
                verb: action.verb,
                conditional,
            });
        }
        for assigned in action
            .assigned
            .iter()
            .filter(|a| protected.key.iter().any(|k| k.attnum == a.attno))
        {
            findings.push(Finding::KeyUpdate {
                target: instance,
                verb: action.verb,
                attno: assigned.attno,
            });
        }
        findings.extend(mixed_upstreams(&protected, action, instance));
    }
    if let Some(columns) = target
        .arbiter
        .as_ref()
        .filter(|columns| is_key(&protected, columns))
    {
        findings.push(Finding::KeyUpsert {
            target: instance,
            merge: false,
            columns: columns.clone(),
        });
    }
    if let Some(on) = &target.merge_upsert_on {
        let equated = equated(statement, instance, on);
        findings.extend(
            held_key(&protected, &equated).map(|columns| Finding::KeyUpsert {
                target: instance,
                merge: true,
                columns,
            }),
        );
    }
    findings
}

fn needs_condition(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Update | Verb::Delete | Verb::MergeUpdate | Verb::MergeDelete
    )
}

fn is_empty(p: &Predicate) -> bool {
    matches!(p, Predicate::And(parts) if parts.iter().all(is_empty))
}

fn mixed_upstreams(
    protected: &ProtectedTarget,
    action: &Action,
    target: InstanceId,
) -> Option<Finding> {
    let cleared = |attno: i16| action.assigned.iter().any(|a| a.attno == attno && a.clears);
    let fed: Vec<_> = protected
        .fed_columns
        .iter()
        .filter(|f| cleared(f.attnum))
        .collect();
    let mixed = fed.iter().any(|f| f.upstream != fed[0].upstream);
    mixed.then(|| Finding::MixedUpstreams {
        target,
        columns: fed.iter().map(|f| f.attnum).collect(),
    })
}

/// Is an arbiter over these columns the primary key, one that contains it, or made of protected key columns? A unique
/// index over part of the key and something else (a tenant and an e-mail address) is a key of its own.
fn is_key(protected: &ProtectedTarget, columns: &[i16]) -> bool {
    let in_key = |a: &i16| protected.key.iter().any(|k| k.attnum == *a);
    let primary = &protected.primary_key;
    let holds_primary = !primary.is_empty() && primary.iter().all(|a| columns.contains(a));
    (!columns.is_empty() && columns.iter().all(in_key)) || holds_primary
}

/// The key that these columns hold whole, if they do: the primary one, or the protected one.
fn held_key(protected: &ProtectedTarget, columns: &[i16]) -> Option<Vec<i16>> {
    let of_table = protected.key.iter().map(|k| k.attnum).collect();
    [protected.primary_key.clone(), of_table]
        .into_iter()
        .find(|key| !key.is_empty() && key.iter().all(|a| columns.contains(a)))
}

/// The target's columns that a MERGE's ON equates to something, in any arm and any subquery: one way to match on the
/// key is enough to overwrite a row.
fn equated(statement: &Statement, target: InstanceId, on: &Predicate) -> Vec<i16> {
    fn walk(
        statement: &Statement,
        target: InstanceId,
        p: &Predicate,
        negated: bool,
        found: &mut Vec<i16>,
    ) {
        let mut body = |b: &BodyId| {
            walk(
                statement,
                target,
                &statement.bodies[*b].predicate,
                false,
                found,
            )
        };
        match p {
            Predicate::And(parts) | Predicate::Or(parts) => {
                parts
                    .iter()
                    .for_each(|p| walk(statement, target, p, negated, found));
            }
            Predicate::Not(inner) => walk(statement, target, inner, !negated, found),
            Predicate::Feeds(b) => body(b),
            Predicate::Union(arms) => arms.iter().for_each(body),
            Predicate::OuterOn { on, .. } => walk(statement, target, on, negated, found),
            Predicate::Equal { left, right, .. } if !negated => {
                for Operand { bare, fields, .. } in [left, right] {
                    let columns = bare.iter().chain(fields).map(|&c| &statement.columns[c]);
                    found.extend(columns.filter(|c| c.instance == target).map(|c| c.attno));
                }
                left.bodies.iter().chain(&right.bodies).for_each(|b| {
                    walk(
                        statement,
                        target,
                        &statement.bodies[*b].predicate,
                        false,
                        found,
                    );
                });
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(statement, target, on, false, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}
