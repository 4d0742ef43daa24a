package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// contents is what a whole file says.
type contents struct {
	header header
	sum    uint64 // of the records as they are
	want   uint64 // as the last write left it
}

// sumOf is a record's share of the sum. The sum does not depend on order, so every write can keep it up to date; with it
// no record can change, vanish or come back unseen, which bbolt, whose pages carry no checksum, would not notice.
func sumOf(bucket, key, value []byte) uint64 {
	h := sha256.New()
	for _, b := range [][]byte{bucket, key, value} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// Sizes and marks of bbolt's file, version 2, in the machine's byte order:
// https://github.com/etcd-io/bbolt/tree/v1.5.0/internal/common (page.go, meta.go, bucket.go, inode.go)
const (
	pageHeader    = 16 // id 8, flags 2, count 2, overflow 4
	elementSize   = 16 // branch: position 4, key size 4, page 8; leaf: flags 4, position 4, key size 4, value size 4
	bucketHeader  = 16 // root page 8, sequence 8
	metaSize      = 64
	metaMagic     = 0xED0CDAED
	branchPage    = 0x01
	leafPage      = 0x02
	metaPage      = 0x04
	freelistPage  = 0x10
	bucketElement = 0x01
	depthLimit    = 32 // of a tree; one of 2^32 pages is not as deep
)

var order = binary.NativeEndian

// pages is a file in memory while it is walked. Each page has one use and no more, so the walk ends.
type pages struct {
	data []byte
	size int
	used []bool
}

// read looks at everything that bbolt will: it believes a file whatever it says, follows its offsets in mapped memory and
// its pages in circles.
func read(f *os.File) (c contents, err error) {
	p, root, freelist, err := open(f)
	if err != nil {
		return c, err
	}
	if err := p.free(freelist); err != nil {
		return c, err
	}
	err = p.tree(root, func(name, value []byte, isBucket bool) error {
		if !isBucket || len(value) < bucketHeader {
			return fmt.Errorf("%q is no table", name)
		}
		record := func(key, value []byte, isBucket bool) error {
			if isBucket {
				return fmt.Errorf("table %q in table %q", key, name)
			}
			switch {
			case string(name) == metaBucket && string(key) == sumKey:
				if len(value) != 8 {
					return errors.New("no sum of records")
				}
				c.want = binary.BigEndian.Uint64(value)
				return nil
			case string(name) == metaBucket && string(key) == headerKey:
				if err := json.Unmarshal(value, &c.header); err != nil {
					return fmt.Errorf("header: %v", err)
				}
			}
			c.sum += sumOf(name, key, value)
			return nil
		}
		if table := order.Uint64(value); table != 0 {
			return p.tree(table, record)
		}
		return p.leaf(value[bucketHeader:], record, nil, nil) // a small table lies within its entry
	})
	if err != nil {
		return c, err
	}
	for id, used := range p.used {
		if !used {
			return c, fmt.Errorf("page %d is lost", id)
		}
	}
	if c.header.Schema < 1 {
		return c, errors.New("no header")
	}
	return c, nil
}

// open reads the two meta pages, of which the later counts, and all pages that are in use.
func open(f *os.File) (p *pages, root, freelist uint64, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, 0, err
	}
	first := make([]byte, pageHeader+metaSize)
	if _, err := f.ReadAt(first, 0); err != nil {
		return nil, 0, 0, errors.New("too short")
	}
	size := int64(order.Uint32(first[pageHeader+8:]))
	if size < 1<<10 || size > 1<<16 || size&(size-1) != 0 || info.Size() < 2*size {
		return nil, 0, 0, errors.New("no meta page")
	}
	var last []byte
	for id := range int64(2) {
		page := make([]byte, pageHeader+metaSize)
		if _, err := f.ReadAt(page, id*size); err != nil {
			return nil, 0, 0, err
		}
		meta := page[pageHeader:]
		sum := fnv.New64a()
		sum.Write(meta[:metaSize-8])
		if order.Uint32(meta) != metaMagic || order.Uint32(meta[4:]) != 2 || order.Uint64(meta[metaSize-8:]) != sum.Sum64() ||
			order.Uint64(page) != uint64(id) || order.Uint16(page[8:]) != metaPage || int64(order.Uint32(meta[8:])) != size {
			return nil, 0, 0, fmt.Errorf("meta page %d is damaged", id)
		}
		if last == nil || order.Uint64(meta[48:]) > order.Uint64(last[48:]) {
			last = meta
		}
	}
	count := order.Uint64(last[40:])
	if count < 4 || count > uint64(info.Size()/size) {
		return nil, 0, 0, fmt.Errorf("%d pages in %d bytes", count, info.Size())
	}
	p = &pages{data: make([]byte, int64(count)*size), size: int(size), used: make([]bool, count)}
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, int64(len(p.data))), p.data); err != nil {
		return nil, 0, 0, err
	}
	p.used[0], p.used[1] = true, true
	return p, order.Uint64(last[16:]), order.Uint64(last[32:]), nil
}

// use marks a page and returns it with its overflow.
func (p *pages) use(id uint64) ([]byte, error) {
	if id >= uint64(len(p.used)) {
		return nil, fmt.Errorf("page %d is beyond the end", id)
	}
	page := p.data[int(id)*p.size:]
	more := uint64(order.Uint32(page[12:]))
	if order.Uint64(page) != id || id+more >= uint64(len(p.used)) {
		return nil, fmt.Errorf("page %d is damaged", id)
	}
	for i := id; i <= id+more; i++ {
		if p.used[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		p.used[i] = true
	}
	return page[:int(more+1)*p.size], nil
}

// free marks the pages that are free, and the list of them.
func (p *pages) free(list uint64) error {
	page, err := p.use(list)
	if err != nil {
		return fmt.Errorf("list of free pages: %w", err)
	}
	ids := page[pageHeader:]
	count := uint64(order.Uint16(page[10:]))
	if count == 0xFFFF { // too many for the header
		count, ids = order.Uint64(ids), ids[8:]
	}
	if order.Uint16(page[8:]) != freelistPage || count > uint64(len(ids)/8) {
		return fmt.Errorf("page %d is no list of free pages", list)
	}
	last := uint64(0)
	for i := range count {
		id := order.Uint64(ids[8*i:])
		if id <= last || id >= uint64(len(p.used)) || p.used[id] {
			return fmt.Errorf("page %d is free and is not", id)
		}
		p.used[id], last = true, id
	}
	return nil
}

// visit is called for each entry, in order.
type visit func(key, value []byte, isBucket bool) error

func (p *pages) tree(root uint64, fn visit) error { return p.branch(root, fn, nil, nil, 0) }

// branch walks the tree below a page, whose keys are to be from low to below high; nil is no limit.
func (p *pages) branch(id uint64, fn visit, low, high []byte, depth int) error {
	page, err := p.use(id)
	if err != nil {
		return err
	}
	if order.Uint16(page[8:]) == leafPage {
		return p.leaf(page, fn, low, high)
	}
	count := int(order.Uint16(page[10:]))
	if order.Uint16(page[8:]) != branchPage || count == 0 || depth == depthLimit || pageHeader+count*elementSize > len(page) {
		return fmt.Errorf("page %d is no page of a table", id)
	}
	keys := make([][]byte, count+1)
	for i := range count {
		at := pageHeader + i*elementSize
		if keys[i], _, err = entry(page[at:], order.Uint32(page[at:]), order.Uint32(page[at+4:]), 0); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
	}
	keys[count] = high
	for i := range count {
		if i == 0 && low != nil && bytes.Compare(keys[0], low) < 0 {
			return fmt.Errorf("page %d is out of order", id)
		}
		if err := p.branch(order.Uint64(page[pageHeader+i*elementSize+8:]), fn, keys[i], keys[i+1], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf visits the entries of a page.
func (p *pages) leaf(page []byte, fn visit, low, high []byte) error {
	if len(page) < pageHeader {
		return errors.New("a table is cut off")
	}
	count := int(order.Uint16(page[10:]))
	if order.Uint16(page[8:]) != leafPage || pageHeader+count*elementSize > len(page) {
		return errors.New("a table has no entries")
	}
	for i := range count {
		e := page[pageHeader+i*elementSize:]
		key, value, err := entry(e, order.Uint32(e[4:]), order.Uint32(e[8:]), order.Uint32(e[12:]))
		if err != nil {
			return err
		}
		if i == 0 && low != nil && bytes.Compare(key, low) < 0 || i > 0 && bytes.Compare(key, low) <= 0 || high != nil && bytes.Compare(key, high) >= 0 {
			return fmt.Errorf("key %q is out of order", key)
		}
		low = key
		flags := order.Uint32(e)
		if flags > bucketElement {
			return fmt.Errorf("key %q is of no known kind", key)
		}
		if err := fn(key, value, flags == bucketElement); err != nil {
			return err
		}
	}
	return nil
}

// entry cuts key and value out of what follows an element's start.
func entry(e []byte, at, key, value uint32) (k, v []byte, err error) {
	if key == 0 || uint64(at)+uint64(key)+uint64(value) > uint64(len(e)) {
		return nil, nil, errors.New("an entry is cut off")
	}
	rest := e[at:]
	return rest[:key], rest[key : uint64(key)+uint64(value)], nil
}
