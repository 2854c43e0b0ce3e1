//! One command after the other: what it makes is its owner's before the next one, and what names something that is not there
//! yet waits for it.

use super::command::Failure;
use super::default_privileges;
use super::present::role_called;
use super::rebuild::Rebuild;
use super::step::{Step, failed, owner_gone, warn};
use crate::report::Outcome;

impl Rebuild {
    /// Makes what had to wait, if what it names is there by now: a function returns a table's rows, a view calls the function.
    pub(super) fn take_waiting(&mut self, before: bool) -> Outcome<()> {
        loop {
            let waiting = std::mem::take(&mut self.waiting);
            let (count, made) = (waiting.len(), self.made.len());
            for (step, _) in waiting {
                self.take(step, before)?;
            }
            if self.made.len() == made || self.waiting.len() == count {
                return Ok(());
            }
        }
    }

    /// The step that gives what another one makes to its owner.
    fn giving(&self, step: &Step) -> Option<&Step> {
        let giving = step.giving()?;
        let mut steps = self.steps.iter();
        steps.find(|other| other.kind == "owner" && other.sql.starts_with(&giving))
    }

    /// Gives what was made to its owner, and a function to those alone who might call it, before anything else is made, which
    /// may call it: until then it is a superuser's, and open to everyone.
    fn hand_over(&mut self, step: &Step, before: bool) -> Outcome<()> {
        let Some(owner) = self.giving(step) else {
            return Ok(());
        };
        let mut all = vec![owner.clone()];
        if step.kind == "function" {
            let of_step = |other: &&Step| other.kind == "privileges" && other.name == step.name;
            all.extend(self.steps.iter().filter(of_step).cloned());
        }
        all.into_iter().try_for_each(|step| self.take(step, before))
    }

    pub(super) fn take(&mut self, step: Step, before: bool) -> Outcome<()> {
        crate::pg::memory::check();
        if self.is_done(&step) {
            return Ok(());
        }
        if self.strangers.contains(&step.object) {
            warn(&step, "what has that name now is somebody else's");
            return Ok(());
        }
        if let Some(message) = self.misled(&step) {
            if !matches!(step.kind.as_str(), "table" | "column") {
                warn(&step, &message);
                return Ok(());
            }
            return Err(failed(&step, &Failure::of(message)));
        }
        let handed = matches!(step.kind.as_str(), "owner" | "privileges");
        if handed && self.made.iter().any(|made| made.sql == step.sql) {
            return Ok(());
        }
        let giving = self.giving(&step).map(|giving| giving.sql.clone());
        let owner = giving
            .as_deref()
            .and_then(|sql| sql.rsplit_once(" OWNER TO "));
        let owner = owner.map(|(_, role)| role);
        if let Some(role) = owner.filter(|role| role_called(role).is_none())
            && step.runs_for_its_owner()
        {
            return Err(owner_gone(&step, role));
        }
        match step.execute(owner) {
            Ok(()) => {
                default_privileges::take_back(&step).map_err(|failure| failed(&step, &failure))?;
                self.made.push(step.clone());
                self.hand_over(&step, before)?;
            }
            Err(failure) if failure.missing && (!before || self.may_wait(&step)) => {
                let mut waiting = self.waiting.iter();
                if !waiting.any(|(waiting, _)| waiting.sql == step.sql) {
                    self.waiting.push((step, failure.message));
                }
            }
            Err(failure) if failure.missing && !self.waiting.is_empty() => {
                // What it stands on waits for what was made since.
                let made = self.made.len();
                self.take_waiting(before)?;
                return match self.made.len() == made {
                    true => Err(failed(&step, &failure)),
                    false => self.take(step, before),
                };
            }
            Err(failure) if step.is_derived() => warn(&step, &failure.message),
            Err(failure) => return Err(failed(&step, &failure)),
        }
        Ok(())
    }
}
