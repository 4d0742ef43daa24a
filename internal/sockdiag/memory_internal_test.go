package sockdiag

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// socketWith is a part of an answer: one socket that has received so many bytes.
func socketWith(received uint32) []byte {
	b := make([]byte, answerLen)
	attribute := binary.NativeEndian.AppendUint16(nil, unix.SizeofRtAttr+9*4)
	attribute = binary.NativeEndian.AppendUint16(attribute, skMemInfo)
	attribute = binary.NativeEndian.AppendUint32(attribute, received)
	b = append(append(b, attribute...), make([]byte, 8*4)...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], byFamily)
	return b
}

func TestSumMemory(t *testing.T) {
	done := make([]byte, unix.SizeofNlMsghdr)
	binary.NativeEndian.PutUint32(done, unix.SizeofNlMsghdr)
	binary.NativeEndian.PutUint16(done[4:], unix.NLMSG_DONE)
	two := append(socketWith(100), socketWith(23)...)
	if n, end, err := sumMemory(two); n != 123 || end || err != nil {
		t.Errorf("%d bytes, end %t, %v", n, end, err)
	}
	if n, end, err := sumMemory(append(two, done...)); n != 123 || !end || err != nil {
		t.Errorf("%d bytes, end %t, %v", n, end, err)
	}
	if _, _, err := sumMemory(two[:len(two)-1]); !errors.Is(err, errDamaged) {
		t.Errorf("cut off: %v", err)
	}
}

func FuzzSumMemory(f *testing.F) {
	f.Add(socketWith(1))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _, _ = sumMemory(b) }) // it ends, and does not panic
}
