//! What comes in at sockets, and what is read from them: programs that run for the whole machine, and are attached only
//! while a target wants to know when its requests came in.

use aya::{
    Btf,
    programs::{BtfTracePoint, tp_btf::BtfTracePointLink},
};

use super::{
    Kernel, KernelError,
    load::{program, refused},
    probes::failed,
};

/// The programs, which bear their tracepoints' names. In this order: what is read is known to have come in.
pub(super) const PROGRAMS: [&str; 2] = ["sk_data_ready", "sock_recv_length"];
/// Ports in a word of the map.
const BITS: u16 = 64;

/// The programs at work; dropping it detaches them.
pub struct SocketLinks {
    /// Held for their drop.
    _links: Vec<BtfTracePointLink>,
}

impl Kernel {
    /// Attaches them, for no port yet.
    ///
    /// # Errors
    /// What the kernel refused: before 6.3 it has no such tracepoints.
    pub fn follow_sockets(&mut self) -> Result<SocketLinks, KernelError> {
        if !self.has_sockets {
            return Err(KernelError::Sockets);
        }
        for word in 0..self.ports.len() {
            self.ports.set(word, &0, 0).map_err(failed("PORTS"))?;
        }
        let types = Btf::from_sys_fs().map_err(KernelError::Types)?;
        let mut links = Vec::with_capacity(PROGRAMS.len());
        for name in PROGRAMS {
            let program: &mut BtfTracePoint = program(&mut self.programs, name)?;
            if program.fd().is_err() {
                program.load(name, &types).map_err(refused(name))?;
            }
            let link = program.attach().and_then(|id| program.take_link(id));
            links.push(link.map_err(refused(name))?);
        }
        Ok(SocketLinks { _links: links })
    }

    /// Notes what comes in at a port, from its first request on. Others are found out by what is read.
    ///
    /// # Errors
    /// The kernel's.
    pub fn follow_port(&mut self, port: u16) -> Result<(), KernelError> {
        let word = u32::from(port / BITS);
        let bits = self.ports.get(&word, 0).map_err(failed("PORTS"))?;
        // One that a program sets meanwhile may be lost, until the next request at it.
        let bits = bits | 1 << (port % BITS);
        self.ports.set(word, &bits, 0).map_err(failed("PORTS"))
    }
}
