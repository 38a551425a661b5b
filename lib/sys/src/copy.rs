//! Copying memory, for programs whose C library is musl.
//!
//! musl's own takes `rep movs` and single bytes, which cost some thirty cycles however little is
//! copied; the start of a container copies seven thousand times, most often a name. Here what is
//! short is loaded whole before any of it is stored, so that overlaps need no thought, and only
//! what is long is given to the processor's own instruction.

// Arguments: rdi to, rsi from, rdx bytes; the result is where it was copied to. Source: System V
// ABI for x86-64, section 3.2.3.
core::arch::global_asm!(
    ".section .text.coffer_copy,\"ax\",@progbits",
    ".p2align 5",
    ".globl coffer_copy",
    ".hidden coffer_copy",
    ".type coffer_copy,@function",
    "coffer_copy:",
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb 3f",
    "cmp rdx, 32",
    "ja 2f",
    // 16 to 32: the first and the last 16.
    "movdqu xmm0, [rsi]",
    "movdqu xmm1, [rsi + rdx - 16]",
    "movdqu [rdi], xmm0",
    "movdqu [rdi + rdx - 16], xmm1",
    "ret",
    "2:",
    "cmp rdx, 128",
    "ja 6f",
    // 33 to 128: as many from both ends as it takes.
    "movdqu xmm0, [rsi]",
    "movdqu xmm1, [rsi + 16]",
    "movdqu xmm2, [rsi + rdx - 32]",
    "movdqu xmm3, [rsi + rdx - 16]",
    "cmp rdx, 64",
    "jbe 21f",
    "movdqu xmm4, [rsi + 32]",
    "movdqu xmm5, [rsi + 48]",
    "movdqu xmm6, [rsi + rdx - 64]",
    "movdqu xmm7, [rsi + rdx - 48]",
    "movdqu [rdi + 32], xmm4",
    "movdqu [rdi + 48], xmm5",
    "movdqu [rdi + rdx - 64], xmm6",
    "movdqu [rdi + rdx - 48], xmm7",
    "21:",
    "movdqu [rdi], xmm0",
    "movdqu [rdi + 16], xmm1",
    "movdqu [rdi + rdx - 32], xmm2",
    "movdqu [rdi + rdx - 16], xmm3",
    "ret",
    "3:",
    "cmp edx, 8",
    "jb 4f",
    "mov rcx, [rsi]",
    "mov r8, [rsi + rdx - 8]",
    "mov [rdi], rcx",
    "mov [rdi + rdx - 8], r8",
    "ret",
    "4:",
    "cmp edx, 4",
    "jb 5f",
    "mov ecx, [rsi]",
    "mov r8d, [rsi + rdx - 4]",
    "mov [rdi], ecx",
    "mov [rdi + rdx - 4], r8d",
    "ret",
    "5:",
    "test edx, edx",
    "je 51f",
    // 1 to 3: the first, the last, and the one in the middle.
    "movzx ecx, byte ptr [rsi]",
    "movzx r8d, byte ptr [rsi + rdx - 1]",
    "mov r9, rdx",
    "shr r9",
    "movzx r10d, byte ptr [rsi + r9]",
    "mov [rdi + r9], r10b",
    "mov [rdi], cl",
    "mov [rdi + rdx - 1], r8b",
    "51:",
    "ret",
    "6:",
    "mov rcx, rdi",
    "sub rcx, rsi",
    "cmp rcx, rdx",
    "jb 7f",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    // It begins within what it is copied from: from its end, and the first 16, kept, at last.
    "7:",
    "movdqu xmm1, [rsi]",
    "71:",
    "movdqu xmm0, [rsi + rdx - 16]",
    "movdqu [rdi + rdx - 16], xmm0",
    "sub rdx, 16",
    "cmp rdx, 16",
    "ja 71b",
    "movdqu [rdi], xmm1",
    "ret",
    ".size coffer_copy, . - coffer_copy",
    ".text",
);

// It is what the program copies with.
#[cfg(target_env = "musl")]
core::arch::global_asm!(
    ".globl memcpy",
    ".set memcpy, coffer_copy",
    ".globl memmove",
    ".set memmove, coffer_copy",
);

#[cfg(test)]
mod tests {
    unsafe extern "C" {
        fn coffer_copy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    }

    /// Copies within one buffer, and looks at all of it.
    fn check(from: usize, to: usize, bytes: usize) {
        let before: Vec<u8> =
            (0..1024_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut buffer = before.clone();
        let start = buffer.as_mut_ptr();
        let (there, here) = (start.wrapping_add(to), start.wrapping_add(from));
        // SAFETY: both places have `bytes` bytes in the buffer; they may overlap.
        let result = unsafe { coffer_copy(there, here, bytes) };
        assert_eq!(result.addr(), start.addr() + to);
        let mut expected = before.clone();
        #[expect(clippy::manual_memcpy, reason = "that may be what is tested here")]
        for at in 0..bytes {
            expected[to + at] = before[from + at];
        }
        assert_eq!(buffer, expected, "{bytes} bytes from {from} to {to}");
    }

    #[test]
    fn every_length_is_copied_to_every_distance() {
        for bytes in 0..=300 {
            for to in 0..=600 {
                check(300, to, bytes);
            }
        }
    }

    #[test]
    fn every_alignment_is_copied() {
        for bytes in [0, 1, 3, 7, 15, 16, 17, 31, 33, 64, 65, 128, 129, 200] {
            for from in 0..32 {
                for to in 512..544 {
                    check(from, to, bytes);
                    check(to, from, bytes);
                }
            }
        }
    }
}
