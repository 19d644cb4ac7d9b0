//! Fewer samples of a request that has too many.

use crate::inference::timeline::{Evidence, Kind};

/// Lets every other sample go; those beside it are that much further apart. Returns how many went.
pub(super) fn thin(evidence: &mut Vec<Evidence>) -> usize {
    let all = std::mem::take(evidence);
    let before = all.len();
    let mut is_kept = false;
    let mut last: Option<usize> = None;
    let (mut gone_ns, mut gone_queued_ns) = (0, 0);
    for mut here in all {
        if let Kind::Sample {
            before_ns,
            after_ns,
        } = &mut here.kind
        {
            is_kept = !is_kept;
            if !is_kept {
                (gone_ns, gone_queued_ns) = (*before_ns, here.queued_ns);
                let beside = last.and_then(|last| evidence.get_mut(last));
                if let Some(Kind::Sample { after_ns: to, .. }) =
                    beside.map(|beside| &mut beside.kind)
                {
                    *to = to.saturating_add(*after_ns);
                }
                continue;
            }
            *before_ns = before_ns.saturating_add(std::mem::take(&mut gone_ns));
            let gone_queued_ns = std::mem::take(&mut gone_queued_ns);
            here.queued_ns = here.queued_ns.saturating_add(gone_queued_ns);
            last = Some(evidence.len());
        }
        evidence.push(here);
    }
    before - evidence.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::functions::frames::Stack;
    use crate::time::KernelTime;

    fn sample(before_ns: u64, after_ns: u64) -> Evidence {
        Evidence {
            start: KernelTime(0),
            end: KernelTime(0),
            kind: Kind::sample(before_ns, after_ns),
            queued_ns: before_ns,
            early_ns: 0,
            stack: Stack::default(),
            kernel: Vec::new(),
            is_cut: false,
            parting: None,
            earliest: None,
            latest: None,
        }
    }

    #[test]
    fn distances_add_up() {
        let mut evidence = vec![sample(1, 2), sample(2, 3), sample(3, 10), sample(10, 4)];
        assert_eq!(thin(&mut evidence), 2);
        let kinds: Vec<Kind> = evidence.iter().map(|evidence| evidence.kind).collect();
        assert_eq!(kinds, [Kind::sample(1, 5), Kind::sample(5, 14)]);
        let queued: Vec<u64> = evidence.iter().map(|evidence| evidence.queued_ns).collect();
        assert_eq!(queued, [1, 5]);
    }
}
