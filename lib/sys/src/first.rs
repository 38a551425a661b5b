//! The first instructions of a program that is linked against musl.
//!
//! It lies at another address each time it starts, and so has to put that into each of its tables:
//! ninety pages, each of which the kernel would copy when it is met. Asked for at once they cost
//! half as much, a thirtieth of the start of a container. A kernel that cannot (before Linux 5.14)
//! says so, and copies them one by one. Then the C library goes on as if it had been the first.
//! Sources: man 2 madvise, "MADV_POPULATE_WRITE"; man 5 elf; System V ABI for x86-64, section 3.4.1.

// What is written to is the one segment that is loaded (1) and may be written (2). rdx holds what
// the C library is to call at the end: for a program that nobody loads but the kernel, nothing.
core::arch::global_asm!(
    ".section .text.coffer_first,\"ax\",@progbits",
    ".globl coffer_first",
    ".hidden coffer_first",
    ".hidden __ehdr_start",
    ".type coffer_first,@function",
    "coffer_first:",
    "lea r8, [rip + __ehdr_start]",
    "mov r9, [r8 + 32]",
    "add r9, r8",
    "movzx ecx, word ptr [r8 + 56]",
    "2:",
    "cmp dword ptr [r9], 1",
    "jne 3f",
    "test dword ptr [r9 + 4], 2",
    "jnz 4f",
    "3:",
    "add r9, 56",
    "dec ecx",
    "jnz 2b",
    "jmp _start",
    "4:",
    "mov rdi, [r9 + 16]",
    "mov rsi, [r9 + 40]",
    "add rdi, r8",
    "add rsi, rdi",
    "and rdi, -4096",
    "sub rsi, rdi",
    "mov edx, 23",
    "mov eax, 28",
    "syscall",
    "xor edx, edx",
    "jmp _start",
    ".size coffer_first, . - coffer_first",
    ".text",
);
