//! The steps of one judgement, as the explaining program notes them.

/// Steps that a trace can hold; a judgement takes fewer.
pub const STEPS_MAX: usize = 24;

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Topic {
    /// Nothing: the steps end here.
    End = 0,
    /// What the frame is: `first` the number of its content, `second` its bytes.
    Parsed = 1,
    /// Whom it is for: `outcome` 1 for a listener of ours, `first` its number.
    Destination = 2,
    /// How its interface treats other traffic: `first` the treatment.
    OtherTraffic = 3,
    /// What the lists say: `outcome` 0 not listed, 1 management, 2 allowed, 3 denied, 4 denied by a
    /// list in monitor mode; `first` the list, `second` the end (ns).
    Lists = 4,
    /// Under attack: `outcome` 1 vouched for, 0 newcomer; `second` the end of the vouching (ns).
    Vouched = 5,
    /// The budget of newcomers: `outcome` 1 within, 0 beyond.
    Newcomers = 6,
    /// A limit: `outcome` 1 within, 0 beyond, 2 paid by its aggregate and within, 3 paid by its
    /// aggregate and beyond; `first` the class number, `second` what is owed (ns).
    Limit = 7,
    /// The flow table: `outcome` 1 penalised.
    Flow = 8,
    /// A rule that is only monitored let the packet go on: `first` the reason.
    Monitored = 9,
}

/// One step.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// [`Topic`] by number.
    pub topic: u32,
    /// See [`Topic`].
    pub outcome: u32,
    /// See [`Topic`].
    pub first: u64,
    /// See [`Topic`].
    pub second: u64,
}

/// One judgement.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// In: index of the interface that the packet is to have come in on.
    pub interface: u32,
    /// Steps noted.
    pub length: u32,
    /// [`crate::reason::Verdict`] by number.
    pub verdict: u32,
    /// [`crate::reason::Reason`] by number.
    pub reason: u32,
    /// [`crate::reason::Family`] by number.
    pub family: u32,
    /// Listener, as in the endpoint table; zero for none.
    pub listener: u32,
    /// `CLOCK_MONOTONIC` (ns) of the judgement.
    pub now_ns: u64,
    /// The steps.
    pub steps: [Step; STEPS_MAX],
}
