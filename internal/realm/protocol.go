package realm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A conversation with the keeper is one packet each way, JSON with descriptors beside it.

// request is what a keeper is asked.
type request struct {
	Do   string   `json:"do"`             // doStatus, doStart or doStop
	Lab  string   `json:"lab,omitempty"`  // the keeper's name as its first client saw it, who tells it
	Args []string `json:"args,omitempty"` // of the daemon; the descriptors are the program and its files
}

const (
	doStatus = "status"
	doStart  = "start"
	doStop   = "stop"
)

// answer comes with the keeper's pidfd, which is the same process in every pid namespace, and the live daemon's.
type answer struct {
	Error  string       `json:"error,omitempty"`
	Lab    string       `json:"lab,omitempty"`
	Daemon DaemonStatus `json:"daemon"`
}

// Limits of the conversation. A longer argument could not be passed to a program anyway (MAX_ARG_STRLEN).
const (
	maxPacket = 128 << 10
	maxFiles  = 64
	patience  = time.Minute // of the keeper with a client, which may be slow: all of them are its own user's
)

// Of a client. A machine may be slow, and a keeper that lives is not dead: it is asked again, and waited for, as long as it
// lives, runs and the client's context does not end; but no longer than what is no slowness any more.
const (
	lookAgain      = time.Second      // until a client looks whether the keeper is stopped
	clientPatience = 2 * time.Minute  // in all
	endPatience    = 30 * time.Second // of one who waits for the end of a keeper that has closed its socket
)

func send(c *net.UnixConn, v any, files ...*os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxPacket || len(files) > maxFiles {
		return fmt.Errorf("%d bytes and %d files are too much; at most %d and %d", len(b), len(files), maxPacket, maxFiles)
	}
	var fds []int
	for _, f := range files {
		fd, err := number(f)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	_, _, err = c.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	return err
}

// number is a file's descriptor, valid while the file is held. File.Fd may make it block for everybody who shares it.
func number(f *os.File) (fd int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	err = conn.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

// receive reads a packet into v. The files are the caller's, and none if it fails.
func receive(c *net.UnixConn, v any) (files []*os.File, err error) {
	b, oob := make([]byte, maxPacket), make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oobn, flags, _, err := c.ReadMsgUnix(b, oob)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	for _, m := range messages {
		fds, _ := unix.ParseUnixRights(&m) // others are not asked for
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("the packet is too long")
	}
	if err == nil {
		err = json.Unmarshal(b[:n], v)
	}
	if err != nil {
		closeAll(files)
		return nil, err
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close() //nolint:errcheck // nothing was written
	}
}
