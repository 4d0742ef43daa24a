package sandbox

import "os"

// Entry opens the way into the group for a process that is started by other means than Park: a directory to be created
// in, for version 2 (nil where there is none), and files to which the process is to write "0". The caller closes them.
func (g *Cgroup) Entry() (directory *os.File, tasks []*os.File, err error) {
	e, err := g.open()
	return e.directory, e.tasks, err
}
