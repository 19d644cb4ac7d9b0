//! From functions that stacks find at work again and again to exact probes, and back.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hotspan_synth::{
    NativeWork,
    event::{Event, ParentRead},
    ids::{FunctionId, RegionId},
};

use super::{
    engine::Engine,
    promotion::{GivenUp, Promotion},
    resolver::Located,
    say,
    surveyor::{Candidate, Searched},
};

/// Calls that belonged to no request, and none that did, after which a function is given up: its
/// request begins inside of it.
const STRAYS: u32 = 8;

/// A function of a target.
type Hot = (u32, FunctionId);

/// A function that has probes.
struct Promoted {
    hot: Hot,
    /// For people: function and object.
    label: String,
    limit_per_s: u32,
    strays: u32,
    is_used: bool,
}

/// What is promoted, and what became of the rest.
pub struct Promoting {
    policy: Promotion<Hot>,
    /// By region number.
    regions: BTreeMap<u32, Promoted>,
    promoted: u64,
    given_up: u64,
    not_probed: BTreeMap<&'static str, u64>,
}

impl Promoting {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            policy: Promotion::new(),
            regions: BTreeMap::new(),
            promoted: 0,
            given_up: 0,
            not_probed: BTreeMap::new(),
        }
    }

    /// What came of it, by name.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let own = [
            ("promotion.promoted", self.promoted),
            ("promotion.given_up", self.given_up),
            ("promotion.beyond_limit", self.policy.beyond_limit()),
        ];
        let not_probed = self.not_probed.iter().map(|(name, total)| (*name, *total));
        own.into_iter()
            .chain(not_probed)
            .filter(|(_, total)| *total != 0)
    }

    /// A target has ended.
    pub fn forget(&mut self, target: u32) {
        self.policy.forget(|hot| hot.0 == target);
        self.regions.retain(|_, promoted| promoted.hot.0 != target);
    }

    fn saw(&mut self, work: &NativeWork) -> Option<Hot> {
        let chain = work.functions.iter().map(|id| (work.target.0, *id));
        let chain: Vec<Hot> = chain.collect();
        let length = Duration::from_nanos(work.length_ns);
        self.policy.saw(&chain, length, Instant::now())
    }

    /// It is promoted at another time, perhaps: there was no room for the work that it takes.
    fn put_off(&mut self, hot: Hot) {
        self.policy.forget(|other| *other == hot);
    }

    fn refuse(&mut self, hot: Hot, why: &'static str) {
        *self.not_probed.entry(why).or_default() += 1;
        self.policy.give_up(&hot, GivenUp::Unfit);
    }

    /// A crossing of a region; `true` if it is a promoted one that only has crossings of nobody's.
    fn strays(&mut self, region: RegionId, has_parent: bool) -> bool {
        let Some(promoted) = self.regions.get_mut(&region.0) else {
            return false;
        };
        promoted.is_used |= has_parent;
        promoted.strays += u32::from(!has_parent);
        !promoted.is_used && promoted.strays >= STRAYS
    }
}

impl Engine {
    /// Looks at the native work that became spans since the last time.
    pub(super) fn promote(&mut self) {
        for work in self.pipeline.take_native() {
            if let Some(hot) = self.promoting.saw(&work)
                && !self.sampling.locate(hot.0, hot.1)
            {
                self.promoting.put_off(hot);
            }
        }
    }

    /// The resolver knows where a hot function begins, or doesn't.
    pub(super) fn located(&mut self, located: Located) {
        let hot = (located.target, located.function);
        match located.place {
            Err(reason) => self.promoting.refuse(hot, reason.counter()),
            Ok(place) => {
                let candidate = Candidate {
                    target: hot.0,
                    id: hot.1,
                    place,
                };
                if !self.surveyor.search_function(candidate) {
                    self.promoting.put_off(hot);
                }
            }
        }
    }

    /// A hot function has been searched for its exits.
    pub(super) fn searched(&mut self, searched: Searched) -> anyhow::Result<()> {
        let Searched { candidate, region } = searched;
        let hot = (candidate.target, candidate.id);
        let found = match region {
            Ok(found) => found,
            Err(reason) => {
                self.promoting.refuse(hot, reason.counter());
                return Ok(());
            }
        };
        let Some(watched) = self.targets.get(&hot.0) else {
            return Ok(());
        };
        let armed =
            self.arming
                .arm_function(&mut self.kernel, hot.0, watched, &candidate.place, &found);
        let Some(number) = armed else {
            self.promoting.refuse(hot, "promotion.not_probed.refused");
            return Ok(());
        };
        let label = format!("{} ({})", found.function, found.object);
        say::line(&format!("promoted {label}: exact from now on"));
        self.promoting.promoted += 1;
        self.promoting.regions.insert(
            number.0,
            Promoted {
                hot,
                label,
                limit_per_s: found.capture.limit_per_s,
                strays: 0,
                is_used: false,
            },
        );
        if let Some(region) = found.describe(number) {
            self.pipeline.feed(Event::Region(region))?;
        }
        Ok(())
    }

    /// The guard of a region tripped: a promoted one is given up for good.
    pub(super) fn tripped(&mut self, number: u32, tid: u32) {
        match self.promoting.regions.get(&number) {
            Some(promoted) => {
                let limit = promoted.limit_per_s;
                let why = format!("is entered more than {limit} times a second and thread");
                self.demote(number, GivenUp::TooOften, &why);
            }
            None => self.arming.trip(&mut self.kernel, number, tid),
        }
    }

    /// Looks whether promoted functions are of use.
    pub(super) fn weigh(&mut self, event: &Event) {
        let Event::Crossing(crossing) = event else {
            return;
        };
        let has_parent = matches!(crossing.parent, ParentRead::Found(_));
        if self.promoting.strays(crossing.region, has_parent) {
            let why = "is entered before its request begins";
            self.demote(crossing.region.0, GivenUp::Unfit, why);
        }
    }

    fn demote(&mut self, number: u32, given_up: GivenUp, why: &str) {
        let Some(promoted) = self.promoting.regions.remove(&number) else {
            return;
        };
        self.promoting.given_up += 1;
        self.promoting.policy.give_up(&promoted.hot, given_up);
        self.arming.disarm(&mut self.kernel, number);
        say::line(&format!("{} {why}: sampled again", promoted.label));
    }
}
