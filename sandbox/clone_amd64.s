#include "textflag.h"

#define SYS_clone3 435

// func clone(args *cloneArgs, size uintptr, s *stage, function uintptr) (pid uintptr, errno syscall.Errno)
TEXT ·clone(SB), NOSPLIT, $0-48
	MOVQ args+0(FP), DI
	MOVQ size+8(FP), SI
	MOVQ s+16(FP), R12
	MOVQ function+24(FP), R13
	MOVL $SYS_clone3, AX
	SYSCALL
	CMPQ AX, $0
	JEQ  child
	MOVQ $0, errno+40(FP)
	CMPQ AX, $0xfffffffffffff001
	JLS  made
	NEGQ AX
	MOVQ AX, errno+40(FP)
	MOVQ $-1, AX

made:
	MOVQ AX, pid+32(FP)
	RET

child: // the stack is a new one, whose end is aligned; a Go function's first argument is in AX and has room there, X15 is zero
	SUBQ  $32, SP
	MOVQ  R12, AX
	XORPS X15, X15
	CALL  R13
	INT   $3 // never: it ends by itself
