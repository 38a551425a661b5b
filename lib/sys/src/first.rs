//! The first instructions of a program that is linked against musl.
//!
//! It lies at another address each time it starts, and so has to put that into each of its tables:
//! ninety pages, each of which the kernel would copy when it is met. Here they are exchanged for
//! memory of no file, all at once, which costs half as much: a thirtieth of the start of a
//! container. A process that leaves its file ([`crate::own`]) has them with it already. Where there
//! is no memory for it all stays as it was. Then the C library goes on as if it had been the first.
//! Sources: man 2 mmap, man 2 mremap, man 5 elf, System V ABI for x86-64, section 3.4.1.

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
    // r12: where the segment's pages that the file has begin, r13: how many bytes they are.
    "mov r12, [r9 + 16]",
    "mov r13, [r9 + 32]",
    "add r12, r8",
    "lea r13, [r13 + r12 + 4095]",
    "and r12, -4096",
    "and r13, -4096",
    "sub r13, r12",
    // New memory that can be read and written (3), private, of no file, brought in (0x8022).
    "xor edi, edi",
    "mov rsi, r13",
    "mov edx, 3",
    "mov r10d, 0x8022",
    "mov r8, -1",
    "xor r9d, r9d",
    "mov eax, 9",
    "syscall",
    "cmp rax, -4096",
    "ja 5f",
    "mov r14, rax",
    "mov rdi, rax",
    "mov rsi, r12",
    "mov rcx, r13",
    "rep movsb",
    // It moves (1) to where the segment is (2).
    "mov rdi, r14",
    "mov rsi, r13",
    "mov rdx, r13",
    "mov r10d, 3",
    "mov r8, r12",
    "mov eax, 25",
    "syscall",
    "5:",
    "xor edx, edx",
    "jmp _start",
    ".size coffer_first, . - coffer_first",
    ".text",
);
