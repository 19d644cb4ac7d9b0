//! What is damaged, and how, by chance that comes again.

/// The same numbers in each run (xorshift64*, S. Vigna, 2016).
pub struct Numbers(pub u64);

impl Numbers {
    /// Any.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// One below a limit.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Changes some bytes of a range.
    pub fn damage(&mut self, bytes: &mut [u8], count: usize) {
        for _ in 0..count {
            let at = self.below(bytes.len());
            bytes[at] = self.next() as u8;
        }
    }
}
