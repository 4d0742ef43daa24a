package lambda

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"enilab/sandbox"

	"golang.org/x/sync/errgroup"
)

// functionRecord is what is kept of a function. What is not in it, such as its environments, is derived from it or ends
// with the daemon. A function is one record, so that every change of it is one write.
type functionRecord struct {
	Created   time.Time         `json:"created"`
	Published int               `json:"published,omitempty"`
	Reserved  *int              `json:"reserved,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Appendix  appendix          `json:"appendix,omitzero"`
	Latest    versionRecord     `json:"latest"`
	Versions  []versionRecord   `json:"versions,omitempty"`
}

// versionRecord is a version and, while a change of it is under way, what it is to become.
type versionRecord struct {
	Number int `json:"number,omitempty"`
	changeRecord
	Next *changeRecord `json:"next,omitempty"`
}

type changeRecord struct {
	Config   FunctionConfiguration `json:"config"`
	Key      string                `json:"key"` // of the code
	Uploaded bool                  `json:"uploaded,omitempty"`
}

// keep records a function as it is now. The caller holds its plane. What was deleted stays so.
func (s *Service) keep(f *function) error {
	f.mu.Lock()
	if f.deleted {
		f.mu.Unlock()
		return nil
	}
	r := functionRecord{Created: f.created, Published: f.published, Tags: f.tags, Appendix: f.appendix, Latest: recordOf(f.latest)}
	for _, v := range f.versions {
		r.Versions = append(r.Versions, recordOf(v))
	}
	f.mu.Unlock()
	r.Reserved = s.reservation(f)
	if err := s.records.Put(f.name, r); err != nil {
		return refuse(ServiceException, "record function %s: %w", f.name, err)
	}
	return nil
}

func recordOf(v *version) versionRecord {
	r := versionRecord{Number: v.number, changeRecord: changeRecord{v.config, v.code.Key, v.code.uploaded}}
	if v.next != nil {
		r.Next = &changeRecord{v.next.config, v.next.code.Key, v.next.code.uploaded}
	}
	return r
}

// Restore takes up what the records say, as the first thing that a new control plane does. When it returns, functions
// that were Active can be invoked; what was under way goes on behind, and so do asynchronous events.
func (s *Service) Restore(ctx context.Context) error {
	if err := s.adoptENIs(ctx); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := s.clearCode(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	versions, archives, err := s.reviveAll()
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	named := map[string]bool{}
	for _, a := range archives {
		named[a.Key] = named[a.Key] || a.uploaded
	}
	for _, key := range s.layers.keys() {
		named[key] = true
	}
	if err := s.tidyUploads(named); err != nil {
		return fmt.Errorf("restore: %w", err)
	}

	// What served serves again, with the interfaces that were adopted.
	var work errgroup.Group
	work.SetLimit(4 * runtime.GOMAXPROCS(0))
	for _, v := range versions {
		if v.config.State == Active {
			work.Go(func() error { s.resume(ctx, v); return nil })
		}
	}
	if err := work.Wait(); err != nil {
		return err
	}
	var pending []chan struct{} // the versions have others once they are changed again
	for _, v := range versions {
		if v.next != nil {
			pending = append(pending, v.settled)
			s.begin("finish function "+v.function.name, v)
		}
	}
	s.background("drop interfaces that nobody uses", func() error { // when all who may need one have taken it
		for _, settled := range pending {
			<-settled
		}
		return s.dropUnusedENIs(s.open)
	})
	if len(pending) == 0 {
		s.work.wait()
	}
	return s.restoreEvents()
}

// Recall reads what the records say, and makes nothing of it: functions and layers can be described as they will be once the lab is
// up, and nothing else.
func (s *Service) Recall() error {
	_, _, err := s.reviveAll()
	return err
}

// reviveAll makes layers and functions of all records.
func (s *Service) reviveAll() (versions []*version, archives map[string]*archive, err error) {
	if err := s.restoreLayers(); err != nil {
		return nil, nil, err
	}
	records, err := s.records.All()
	if err != nil {
		return nil, nil, fmt.Errorf("functions: %w", err)
	}
	archives = map[string]*archive{}
	for name, r := range records {
		f, err := s.revive(name, r, archives)
		if err != nil {
			return nil, nil, fmt.Errorf("function %s: %w", name, err)
		}
		s.mu.Lock()
		s.functions[name] = f
		s.mu.Unlock()
		versions = append(versions, f.all()...)
	}
	return versions, archives, nil
}

// clearCode removes what the worker of a daemon that was killed had unpacked.
func (s *Service) clearCode() error {
	if s.CodeDir == "" {
		return nil
	}
	return errors.Join(os.RemoveAll(s.store.dir), os.RemoveAll(s.uploads.dir))
}

// revive makes a function of its record. None of its versions serves yet.
func (s *Service) revive(name string, r functionRecord, archives map[string]*archive) (*function, error) {
	f := s.newFunction(name)
	f.created, f.published, f.tags, f.appendix = r.Created, r.Published, r.Tags, r.Appendix
	if _, err := s.load.reserve(f, r.Reserved); err != nil {
		s.Log.Warn("the quota has become too small for a reservation", "function", name, "error", err)
	}
	for _, vr := range append([]versionRecord{r.Latest}, r.Versions...) {
		v := &version{function: f, name: vr.Config.Version, number: vr.Number, config: vr.Config, used: time.Now(), settled: make(chan struct{})}
		var err error
		if v.code, err = s.reviveCode(vr.changeRecord, archives); err != nil {
			return nil, err
		}
		switch {
		case vr.Next != nil:
			v.next = &change{config: vr.Next.Config}
			if v.next.code, err = s.reviveCode(*vr.Next, archives); err != nil {
				return nil, err
			}
		default:
			close(v.settled)
		}
		if v.number == 0 {
			f.latest = v
		} else {
			f.versions[v.number] = v
		}
	}
	return f, nil
}

// reviveCode finds the archive of a record, and holds it. Whether it is still in the store shows when it is fetched.
func (s *Service) reviveCode(r changeRecord, archives map[string]*archive) (*archive, error) {
	a := &archive{Code: sandbox.Code{Key: r.Key, Size: r.Config.CodeSize}, source: s.store, uploaded: r.Uploaded}
	if r.Uploaded {
		a.source = s.uploads
	}
	sum, err := base64.StdEncoding.DecodeString(r.Config.CodeSha256)
	if err != nil || len(sum) != len(a.SHA256) {
		return nil, fmt.Errorf("the code's hash %q is none", r.Config.CodeSha256)
	}
	copy(a.SHA256[:], sum)
	id := fmt.Sprint(r.Uploaded, r.Key, r.Config.CodeSha256)
	if archives[id] == nil {
		archives[id] = a
	}
	return archives[id].hold(), nil
}

// resume gives a version that served its network back.
func (s *Service) resume(ctx context.Context, v *version) {
	var made *generation
	network, err := s.prepare(ctx, v.config)
	if err == nil {
		made, err = s.newGeneration(v, change{v.config, v.code}, network)
	}
	f := v.function
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		v.config.State, v.config.StateReason, v.config.StateReasonCode = Failed, reasonSaid(err), reasonFor(err)
		v.config.Cause = err.Error()
		return
	}
	v.current = made
	v.used = time.Now()
}
