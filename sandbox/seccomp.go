package sandbox

import (
	"enilab/internal/confine"

	"golang.org/x/sys/unix"
)

// loadSeccomp puts the process under the profile. It needs no_new_privs.
func (s *stage) loadSeccomp() {
	s.begin("seccomp")
	s.add("load the filter", unix.SYS_SECCOMP, lit(unix.SECCOMP_SET_MODE_FILTER), lit(0), structureOf(s, confine.SeccompFilter()))
}
