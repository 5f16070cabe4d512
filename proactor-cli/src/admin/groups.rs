//! The groups that have a name, with their members.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proactor::{Handle, SendError, SessionList};
use serde::Serialize;

use super::answer::Failure;
use super::listing::{MOST_ROWS, shown};
use super::parameters::Parameters;

pub(super) const PARAMETERS: &[&str] = &["search", "sort", "limit", "offset"];
const USUAL_ROWS: u64 = 100;
/// Names that are counted; members of further groups are not.
const MOST_NAMES: usize = 100_000;

#[derive(Default)]
struct Counted {
    members: HashMap<Vec<u8>, usize>,
    is_cut_short: bool,
}

#[derive(Clone, Copy)]
enum By {
    Name,
    Members,
}

/// The groups that the shards are asked for.
pub(super) struct Asked {
    counted: Arc<Mutex<Counted>>,
    search: Option<String>,
    by: By,
    limit: usize,
    offset: usize,
}

#[derive(Serialize)]
pub(super) struct Page {
    /// Groups that pass the filter.
    total: usize,
    offset: usize,
    /// There are more groups than are counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut_short: bool,
    groups: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    members: usize,
    /// Memory of its log.
    log_bytes: usize,
}

impl Asked {
    pub(super) fn ask(
        handle: &Handle,
        parameters: &Parameters,
    ) -> Result<(Asked, Result<SessionList, SendError>), Failure> {
        let orders = [("members", By::Members), ("name", By::Name)];
        let by = parameters.choice("sort", &orders)?.unwrap_or(By::Members);
        let limit = parameters.number("limit", 1, MOST_ROWS)?.unwrap_or(USUAL_ROWS) as usize;
        let offset = parameters.number("offset", 0, MOST_NAMES as u64)?.unwrap_or(0) as usize;
        let search = parameters.get("search").map(str::to_lowercase);
        let counted = Arc::<Mutex<Counted>>::default();
        let counting = Arc::clone(&counted);
        let list = handle.list_sessions(move |info| {
            info.group_names().for_each(|name| lock(&counting).count(name));
            false
        });
        Ok((Asked { counted, search, by, limit, offset }, list))
    }

    /// What the shards have answered.
    pub(super) fn page(&self, handle: &Handle) -> Page {
        let Counted { members, is_cut_short } = std::mem::take(&mut *lock(&self.counted));
        let mut found: Vec<(Vec<u8>, usize)> = members.into_iter().collect();
        if let Some(search) = &self.search {
            found.retain(|(name, _)| shown(name).to_lowercase().contains(search.as_str()));
        }
        found.sort_unstable_by(|one, other| match self.by {
            By::Name => one.0.cmp(&other.0),
            By::Members => other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)),
        });
        let total = found.len();
        let on_page = found.into_iter().skip(self.offset).take(self.limit);
        let row = |(name, members): (Vec<u8>, usize)| {
            let log_bytes = handle.find_group(&name).map_or(0, |group| group.log_memory());
            Row { name: shown(&name), members, log_bytes }
        };
        Page { total, offset: self.offset, cut_short: is_cut_short, groups: on_page.map(row).collect() }
    }
}

impl Counted {
    fn count(&mut self, name: &[u8]) {
        if let Some(members) = self.members.get_mut(name) {
            *members += 1;
        } else if self.members.len() < MOST_NAMES {
            self.members.insert(name.to_vec(), 1);
        } else {
            self.is_cut_short = true;
        }
    }
}

fn lock(counted: &Mutex<Counted>) -> MutexGuard<'_, Counted> {
    counted.lock().unwrap_or_else(PoisonError::into_inner)
}
