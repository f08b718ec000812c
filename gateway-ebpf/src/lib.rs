//! How a packet is judged, independent of the kernel.
//!
//! A frame is read link by link: Ethernet and its tags, then IPv4 or the IPv6 header chain, then
//! as much of TCP or UDP as a judgement needs. What is for one of our listeners is judged; what is
//! for this host otherwise passes unless an interface is configured to hold it back; everything
//! else passes at once. The judgement asks tables for the settings in force, the listeners, the
//! lists and the buckets.
//!
//! Everything is written against two traits, [`frame::Frame`] and [`tables::Tables`], so that the
//! very same code runs in the kernel and in host tests over plain slices. Nothing here can panic,
//! allocate or loop beyond a named constant.
#![no_std]

pub mod frame;
pub mod link;
pub mod datagram;
pub mod ipv4;
pub mod ipv6;
pub mod transport;
pub mod reading;
pub mod tables;
pub mod ruling;
pub mod lists;
pub mod limits;
pub mod attack;
pub mod flows;
pub mod other;
pub mod judge;
pub mod cookie;
