#include "textflag.h"

#define SYS_clone3 435

// func clone(args *cloneArgs, size uintptr, s *stage, function uintptr) (pid uintptr, errno syscall.Errno)
TEXT ·clone(SB), NOSPLIT, $0-48
	MOVD args+0(FP), R0
	MOVD size+8(FP), R1
	MOVD s+16(FP), R19
	MOVD function+24(FP), R20
	MOVD $SYS_clone3, R8
	SVC
	CBZ  R0, child
	MOVD ZR, errno+40(FP)
	CMN  $4095, R0
	BCC  made
	NEG  R0, R0
	MOVD R0, errno+40(FP)
	MOVD $-1, R0

made:
	MOVD R0, pid+32(FP)
	RET

child: // the stack is a new one, whose end is aligned; a Go function's first argument is in R0 and has room there
	SUB  $32, RSP
	MOVD R19, R0
	BL   (R20)
	BRK  // never: it ends by itself
