//! Of more spans than a request may have, the longest.

use std::cmp::Reverse;

use super::choice::findings::Finding;

/// Lets the shortest go, down to `limit` in all; what they were in says how many. Returns how many went.
pub(super) fn keep<'a>(all: impl IntoIterator<Item = &'a mut Vec<Finding>>, limit: usize) -> usize {
    let mut all: Vec<&mut Vec<Finding>> = all.into_iter().collect();
    let mut order = Vec::new();
    for findings in &all {
        number(findings, 0, &mut order);
    }
    if order.len() <= limit {
        return 0;
    }
    // A span is no shorter than what is in it, and comes first if it is as long.
    order.sort_unstable();
    let gone = order.len() - limit;
    let mut is_kept = vec![false; order.len()];
    for (.., at) in order.iter().take(limit) {
        if let Some(is_kept) = is_kept.get_mut(*at) {
            *is_kept = true;
        }
    }
    let mut is_kept = is_kept.into_iter();
    for findings in &mut all {
        retain(findings, &mut is_kept);
    }
    gone
}

/// The longest first, of those the outermost, of those the first found.
type Rank = (Reverse<u64>, usize, usize);

fn number(findings: &[Finding], depth: usize, into: &mut Vec<Rank>) {
    for finding in findings {
        into.push((Reverse(finding.duration_ns()), depth, into.len()));
        number(&finding.children, depth + 1, into);
    }
}

/// In the order of numbering; returns how many went.
fn retain(findings: &mut Vec<Finding>, is_kept: &mut impl Iterator<Item = bool>) -> u32 {
    let mut gone = 0;
    findings.retain_mut(|finding| {
        let is_here = is_kept.next().unwrap_or(false);
        finding.left_out = retain(&mut finding.children, is_kept);
        if !is_here {
            gone += 1 + finding.left_out;
        }
        is_here
    });
    gone
}
