//! Tests in the kernel: every verdict through `BPF_PROG_TEST_RUN`.

mod clock;
mod life;
mod sync;
