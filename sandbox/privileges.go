package sandbox

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Securebits from linux/securebits.h: uid 0 is nobody special, at exec and when ids change, no capability is kept or
// made ambient, and none of this can be taken back.
const securebits = 1<<0 | 1<<1 | // NOROOT, locked
	1<<2 | 1<<3 | // NO_SETUID_FIXUP, locked
	1<<5 | // KEEP_CAPS off, locked
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE, locked

// dropPrivileges takes from the process every right that the code it goes on to run must not have. A zero uid keeps the
// ids.
func (s *stage) dropPrivileges(p *plan, m *machine) {
	s.begin("privileges")
	// The keys of whoever started the lab stay behind. This is the second line after the refusal of keyctl, so a kernel
	// without keys, or a user whose quota of them is used up, does without.
	s.add("join a new session keyring", unix.SYS_KEYCTL, lit(unix.KEYCTL_JOIN_SESSION_KEYRING), lit(0), lit(0)).pass = [2]uint16{uint16(unix.ENOSYS), uint16(unix.EDQUOT)}
	prctl := func(what string, option, value int) {
		s.add(what, unix.SYS_PRCTL, lit(option), lit(value), lit(0), lit(0), lit(0))
	}
	if p.uid == 0 { // else the zygote's own is inherited, which has none; a new user namespace begins with all
		for c := range m.lastCapability + 1 {
			prctl("drop a capability from the bounding set", unix.PR_CAPBSET_DROP, c)
		}
	}
	prctl("lock securebits", unix.PR_SET_SECUREBITS, securebits)
	if p.uid != 0 {
		uid, gid := lit(int(p.uid)), lit(int(p.gid))
		s.add("leave all groups", unix.SYS_SETGROUPS, lit(0), lit(0))
		s.add("setresgid", unix.SYS_SETRESGID, gid, gid, gid)
		s.add("setresuid", unix.SYS_SETRESUID, uid, uid, uid)
	}
	prctl("clear ambient capabilities", unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	s.add("give up all capabilities", unix.SYS_CAPSET, structureOf(s, unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}), structureOf(s, [2]unix.CapUserData{}))
	prctl("set no_new_privs", unix.PR_SET_NO_NEW_PRIVS, 1)
}

// dropBoundingSet leaves no capability to what the calling thread, or a child of it, may execute. It keeps its own.
func dropBoundingSet(last int) error {
	for c := range last + 1 {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d from the bounding set: %w", c, err)
		}
	}
	return nil
}

// lastCapability is the highest capability that this kernel knows.
func lastCapability() (int, error) {
	b, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
