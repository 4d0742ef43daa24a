package sandbox

import (
	"enilab/internal/confine"

	"golang.org/x/sys/unix"
)

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
	prctl("lock securebits", unix.PR_SET_SECUREBITS, confine.Securebits)
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
