//! Native stacks of real processes, against the chains of calls that they are known to have made.

mod capture;
mod damaged;
mod named;
mod native;
mod numbers;
mod remembered;
mod tables;
