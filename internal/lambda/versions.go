package lambda

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// PublishVersion freezes what $LATEST is now as the next version. If nothing has changed since the latest version was
// published, the answer is that version. What AWS answers with is Active already (recorded by LocalStack: test_version_lifecycle),
// and so is it here, if $LATEST is: a version that has its network needs no other.
func (s *Service) PublishVersion(ctx context.Context, in PublishVersionInput) (FunctionConfiguration, error) {
	answer, v, err := s.publish(in)
	if err != nil || v == nil {
		return answer, err
	}
	f := v.function
	f.mu.Lock()
	settled, serves := v.settled, f.latest.current != nil
	f.mu.Unlock()
	if serves {
		patience := time.NewTimer(publishPatience)
		defer patience.Stop()
		select {
		case <-settled:
		case <-patience.C:
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return v.shownLocked().config, nil
}

// publishPatience is how long a version may take to become Active before it is answered as Pending.
const publishPatience = 10 * time.Second

// publish begins to make the next version; nil if there is one already.
func (s *Service) publish(in PublishVersionInput) (none FunctionConfiguration, _ *version, _ error) {
	done, err := s.control()
	if err != nil {
		return none, nil, err
	}
	defer done()
	f, err := s.lookup(in.FunctionName)
	if err != nil {
		return none, nil, err
	}
	f.plane.Lock()
	defer f.plane.Unlock()
	f.mu.Lock()
	latest := f.latest
	c := latest.config
	switch {
	case latest.goneLocked() || latest.next != nil || c.State != Active && c.State != Inactive:
		defer f.mu.Unlock()
		return none, nil, s.notReadyLocked(latest)
	case in.RevisionID != "" && in.RevisionID != c.RevisionID:
		f.mu.Unlock()
		return none, nil, refuse(PreconditionFailed, staleRevision)
	case in.CodeSha256 != "" && in.CodeSha256 != c.CodeSha256:
		f.mu.Unlock()
		return none, nil, refuse(InvalidParameterValue, "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", in.CodeSha256, c.CodeSha256)
	}
	if same := f.sameLocked(c); same != nil {
		defer f.mu.Unlock()
		return same.config, nil, nil
	}
	set(&c.Description, in.Description)
	v := s.versionOfLocked(f, change{c, latest.code.hold()})
	answer := v.config
	f.mu.Unlock()
	if err := s.keep(f); err != nil {
		s.withdraw(v)
		return none, nil, err
	}
	s.begin("publish function "+f.name, v)
	return answer, v, nil
}

// versionOf adds the next version to a function that nobody else knows yet.
func (s *Service) versionOf(f *function, c change) *version {
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.versionOfLocked(f, c)
}

// versionOfLocked adds the next version, which is about to become what c says. It takes the code of c over.
func (s *Service) versionOfLocked(f *function, c change) *version {
	f.published++
	name := strconv.Itoa(f.published)
	c.config.Version, c.config.FunctionARN = name, s.arn(f.name, name)
	c.config = c.config.creating()
	c.config.revise()
	v := newVersion(f, name, f.published, c)
	f.versions[v.number] = v
	return v
}

// withdraw takes back a version that could not be recorded.
func (s *Service) withdraw(v *version) {
	f := v.function
	f.mu.Lock()
	delete(f.versions, v.number)
	f.published--
	f.mu.Unlock()
	s.discard(v.next.code)
	s.discard(v.code)
}

// sameLocked is the latest version if it has this code and these settings.
func (f *function) sameLocked(c FunctionConfiguration) *version {
	v := f.versions[f.published]
	if v == nil || !reflect.DeepEqual(frozen(v.config), frozen(c)) {
		return nil
	}
	return v
}

// frozen is what a version has of its own, without what changes by itself.
func frozen(c FunctionConfiguration) FunctionConfiguration {
	c.FunctionARN, c.Version, c.RevisionID, c.Description, c.LastModified = "", "", "", "", time.Time{}
	c.State, c.StateReason, c.StateReasonCode, c.Cause = "", "", "", ""
	c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = "", "", ""
	if len(c.Environment) == 0 {
		c.Environment = nil
	}
	return c
}

// ListVersionsByFunction describes $LATEST and then the published versions, the oldest first.
func (s *Service) ListVersionsByFunction(name string) ([]FunctionConfiguration, error) {
	f, err := s.lookup(name)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	latest := f.latest.shownLocked().config
	latest.FunctionARN = s.arn(f.name, latestVersion)
	list := []FunctionConfiguration{latest}
	for _, v := range slices.SortedFunc(maps.Values(f.versions), func(a, b *version) int { return cmp.Compare(a.number, b.number) }) {
		list = append(list, v.shownLocked().config)
	}
	return list, nil
}

// deleteVersion removes a published version. Its number is never used again.
func (s *Service) deleteVersion(v *version) error {
	done, err := s.control()
	if err != nil {
		return err
	}
	defer done()
	f := v.function
	f.plane.Lock()
	defer f.plane.Unlock()
	f.mu.Lock()
	if f.versions[v.number] != v || v.goneLocked() {
		f.mu.Unlock()
		return s.notFound(FunctionRef{f.name, v.name})
	}
	before := f.appendix
	for _, a := range before.Aliases {
		if _, also := a.Weights[v.name]; also || a.FunctionVersion == v.name {
			f.mu.Unlock()
			return refuse(ResourceConflict, "Version %s is used by alias %s: delete the alias, or give it another version, first", v.name, s.arn(f.name, a.Name))
		}
	}
	f.appendix = before.forget(v.name)
	delete(f.versions, v.number)
	f.mu.Unlock()
	if err := s.keep(f); err != nil {
		f.mu.Lock()
		f.versions[v.number], f.appendix = v, before
		f.mu.Unlock()
		return err
	}
	s.background("delete function "+f.name+":"+v.name, func() error { return s.end(v) })
	return nil
}
