package sandbox

import (
	"slices"
	"strings"
	"testing"
)

func TestFileMappings(t *testing.T) {
	const smaps = `00400000-00834000 r-xp 00000000 fe:00 9977912                            /enilab
Rss:                3664 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00834000-00c88000 r--p 00434000 fe:00 9977912                            /enilab with blanks
Anonymous:             0 kB
00c88000-00ceb000 rw-p 00888000 fe:00 9977912                            /enilab
Anonymous:             0 kB
00ceb000-02d30000 rw-p 00000000 00:00 0
Anonymous:            92 kB
7fca4e66d000-7fca4e671000 r--p 001cf000 fe:00 326269                     /usr/lib/libc.so.6
Anonymous:            16 kB
7ffd0000-7ffd2000 r-xp 00000000 00:00 0                                  [vdso]
Anonymous:             0 kB
ffff-zz r-xp 00000000 fe:00 5 /x
Anonymous:             0 kB
`
	if got, want := fileMappings(strings.NewReader(smaps)), []mapping{{0x400000, 0x834000}, {0x834000, 0xc88000}}; !slices.Equal(got, want) {
		t.Errorf("got %#x, want %#x", got, want)
	}
}
