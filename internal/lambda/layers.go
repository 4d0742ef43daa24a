package lambda

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"enilab/sandbox"

	"github.com/google/uuid"
)

// maxLayers is how many layers a function has at most. https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
const maxLayers = 5

// LayerVersion is a version of a layer. It does not change.
type LayerVersion struct {
	LayerName               string
	LayerARN                string
	ARN                     string // of this version
	Version                 int64
	Description             string   `json:",omitempty"`
	LicenseInfo             string   `json:",omitempty"`
	CompatibleRuntimes      []string `json:",omitzero"` // for people and filters: a function may have any
	CompatibleArchitectures []string `json:",omitzero"`
	Created                 time.Time
	CodeSha256              string
	CodeSize                int64
}

// FunctionLayer is a layer version that a function has.
type FunctionLayer struct {
	ARN      string
	CodeSize int64
}

// PublishLayerVersionInput asks for a version of a layer.
type PublishLayerVersionInput struct {
	LayerName               string // or the layer's ARN
	ZipFile                 []byte // the archive; or
	StoreKey                string // its key in the function store
	Description             string
	LicenseInfo             string
	CompatibleRuntimes      []string
	CompatibleArchitectures []string
}

// layers are the layers of a lab. A version that was deleted stays, for nobody to see, while functions have it: "to avoid
// breaking functions, a copy of the version remains in Lambda until no functions refer to it".
// https://docs.aws.amazon.com/lambda/latest/api/API_DeleteLayerVersion.html
type layers struct {
	mu     sync.Mutex // guards all below
	byName map[string]*layerRecord
}

// layerRecord is a layer as it is kept.
type layerRecord struct {
	Latest   int64           `json:"latest"` // the highest number that a version ever had
	Versions []*layerVersion `json:"versions"`
}

type layerVersion struct {
	LayerVersion
	Key      string `json:"key"`      // of the archive
	Unpacked int64  `json:"unpacked"` // bytes
	Deleted  bool   `json:"deleted,omitempty"`

	users int // generations that it is part of, and calls that give it to a function
}

// code is the archive, in the store of uploads.
func (v *layerVersion) code() sandbox.Code {
	c := sandbox.Code{Key: v.Key, Size: v.CodeSize}
	hash, _ := base64.StdEncoding.DecodeString(v.CodeSha256) // the lab's own; what is fetched is compared with it
	copy(c.SHA256[:], hash)
	return c
}

func (l *layerRecord) find(version int64) *layerVersion {
	if l == nil {
		return nil
	}
	if i := slices.IndexFunc(l.Versions, func(v *layerVersion) bool { return v.Version == version }); i >= 0 {
		return l.Versions[i]
	}
	return nil
}

func (s *Service) layerARN(name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:layer:%s", s.Region, s.Account, name)
}

// layerName reads a layer's name, or its ARN.
func (s *Service) layerName(nameOrARN string) (string, error) {
	name := strings.TrimPrefix(nameOrARN, s.layerARN(""))
	if len(name) < 1 || len(name) > 140 || strings.IndexFunc(name, func(r rune) bool { return !isWord(r) && r != '-' }) >= 0 {
		return "", s.noLayer()
	}
	return name, nil
}

func (s *Service) noLayer() error {
	return refuse(ResourceNotFound, "The resource you requested does not exist.")
}

// PublishLayerVersion makes the next version of a layer, and the layer with its first.
func (s *Service) PublishLayerVersion(in PublishLayerVersionInput) (LayerVersion, error) {
	done, err := s.control()
	if err != nil {
		return LayerVersion{}, err
	}
	defer done()
	name, err := s.layerName(in.LayerName)
	if err != nil {
		return LayerVersion{}, refuse(InvalidParameterValue, "layer name %q: use 1 to 140 of letters, digits, '-' and '_', or the ARN of a layer of this account and Region", in.LayerName)
	}
	code, unpacked, err := s.putLayer(name, in.ZipFile, in.StoreKey)
	if err != nil {
		return LayerVersion{}, err
	}
	v := &layerVersion{Key: code.Key, Unpacked: unpacked, LayerVersion: LayerVersion{
		LayerName: name, LayerARN: s.layerARN(name), Description: in.Description, LicenseInfo: in.LicenseInfo,
		CompatibleRuntimes: in.CompatibleRuntimes, CompatibleArchitectures: in.CompatibleArchitectures,
		Created: time.Now().UTC(), CodeSha256: code.CodeSha256(), CodeSize: code.Size,
	}}
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	r := s.layers.byName[name]
	if r == nil {
		r = new(layerRecord)
	}
	v.Version = r.Latest + 1
	v.ARN = v.LayerARN + ":" + strconv.FormatInt(v.Version, 10)
	next := &layerRecord{v.Version, append(slices.Clone(r.Versions), v)}
	if err := s.layerRecords.Put(name, *next); err != nil {
		return LayerVersion{}, errors.Join(refuse(ServiceException, "record layer %s: %w", name, err), s.uploads.Delete(code.Key))
	}
	s.layers.byName[name] = next
	return v.LayerVersion, nil
}

// putLayer brings a layer's archive, checked, into the store of uploads.
func (s *Service) putLayer(name string, zip []byte, key string) (code sandbox.Code, unpacked int64, err error) {
	if (len(zip) > 0) == (key != "") {
		return code, 0, refuse(InvalidParameterValue, "content of layer %s: give either a zip file or a key of the function store", name)
	}
	if key != "" {
		if zip, err = s.readStore(key); err != nil {
			return code, 0, err
		}
	}
	archive := bytes.NewReader(zip)
	if err := sandbox.CheckArchive(archive, archive.Size(), s.Limits); err != nil {
		return code, 0, refuse(InvalidParameterValue, "content of layer %s: %w", name, err)
	}
	if unpacked, err = sandbox.UnpackedSize(archive, archive.Size(), s.Limits); err != nil {
		return code, 0, refuse(InvalidParameterValue, "content of layer %s: %w", name, err)
	}
	if code, err = s.uploads.Put("layer."+name+"."+uuid.NewString()+".zip", archive, s.Limits.Zipped); err != nil {
		return code, 0, refuse(ServiceException, "content of layer %s: %w", name, err)
	}
	return code, unpacked, nil
}

// readStore reads an archive that people have put into the function store.
func (s *Service) readStore(key string) ([]byte, error) {
	file, err := s.store.Open(key)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, sandbox.ErrKey) {
		return nil, noSuchKey(key, err)
	}
	if err != nil {
		return nil, refuse(ServiceException, "%w", err)
	}
	defer file.Close()
	if most := cmp.Or(s.Limits.Zipped, sandbox.DefaultZipped); file.Size > most {
		return nil, refuse(InvalidParameterValue, "%s has %d bytes; %d are allowed", key, file.Size, most)
	}
	b := make([]byte, file.Size)
	if _, err := file.ReadAt(b, 0); err != nil {
		return nil, refuse(ServiceException, "read %s: %w", key, err)
	}
	return b, nil
}

// GetLayerVersion describes a version of a layer, which is given by name or ARN.
func (s *Service) GetLayerVersion(layer string, version int64) (LayerVersion, error) {
	if version < 1 {
		return LayerVersion{}, refuse(InvalidParameterValue, "Layer Version Cannot be less than 1")
	}
	name, err := s.layerName(layer)
	if err != nil {
		return LayerVersion{}, err
	}
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	v := s.layers.byName[name].find(version)
	if v == nil || v.Deleted {
		return LayerVersion{}, s.noLayer()
	}
	return v.LayerVersion, nil
}

// GetLayerVersionByARN describes the version that an ARN names.
func (s *Service) GetLayerVersionByARN(arn string) (LayerVersion, error) {
	layer, version := cutLayerVersion(arn)
	if version < 1 {
		return LayerVersion{}, s.noLayer()
	}
	return s.GetLayerVersion(layer, version)
}

// OpenLayerVersion opens a version's archive.
func (s *Service) OpenLayerVersion(layer string, version int64) (*sandbox.CodeFile, error) {
	if _, err := s.GetLayerVersion(layer, version); err != nil {
		return nil, err
	}
	name, _ := s.layerName(layer)
	s.layers.mu.Lock()
	v := s.layers.byName[name].find(version)
	s.layers.mu.Unlock()
	if v == nil {
		return nil, s.noLayer()
	}
	return s.uploads.Open(v.Key)
}

// cutLayerVersion takes the number of a version off its ARN; 0: there is none.
func cutLayerVersion(arn string) (layer string, version int64) {
	at := strings.LastIndexByte(arn, ':')
	version, err := strconv.ParseInt(arn[at+1:], 10, 64)
	if at < 0 || err != nil {
		return arn, 0
	}
	return arn[:at], version
}

// ListLayerVersions describes a layer's versions, the latest first. A layer that is not there has none.
func (s *Service) ListLayerVersions(layer string) (list []LayerVersion) {
	name, err := s.layerName(layer)
	if err != nil {
		return nil
	}
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	return s.layers.byName[name].shown()
}

// ListLayers describes the latest version of each layer, by name.
func (s *Service) ListLayers() (list []LayerVersion) {
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.layers.byName)) {
		if versions := s.layers.byName[name].shown(); len(versions) > 0 {
			list = append(list, versions[0])
		}
	}
	return list
}

func (l *layerRecord) shown() (list []LayerVersion) {
	if l == nil {
		return nil
	}
	for _, v := range slices.Backward(l.Versions) {
		if !v.Deleted {
			list = append(list, v.LayerVersion)
		}
	}
	return list
}

// DeleteLayerVersion deletes a version of a layer. One that is not there is no error. Functions that have it keep it.
func (s *Service) DeleteLayerVersion(layer string, version int64) error {
	if version < 1 {
		return refuse(InvalidParameterValue, "Layer Version Cannot be less than 1")
	}
	name, err := s.layerName(layer)
	if err != nil {
		return nil
	}
	done, err := s.control()
	if err != nil {
		return err
	}
	defer done()
	s.layers.mu.Lock()
	v := s.layers.byName[name].find(version)
	if v == nil || v.Deleted {
		s.layers.mu.Unlock()
		return nil
	}
	v.Deleted = true
	err = s.layerRecords.Put(name, *s.layers.byName[name])
	if err != nil {
		v.Deleted = false
	}
	s.layers.mu.Unlock()
	if err != nil {
		return refuse(ServiceException, "record layer %s: %w", name, err)
	}
	return s.tidyLayers()
}

// resolveLayers checks a function's layers, by their ARNs, and says what they are. They stay until release, whatever becomes of
// the function.
func (s *Service) resolveLayers(arns []string) (list []FunctionLayer, release func(), err error) {
	if len(arns) > maxLayers {
		return nil, nil, refuse(InvalidParameterValue, "Cannot reference more than %d layers.", maxLayers)
	}
	named := map[string]string{} // layer → version
	for _, arn := range arns {
		layer, version := cutLayerVersion(arn)
		parts := strings.Split(layer, ":")
		if len(parts) == 7 && parts[3] != s.Region {
			return nil, nil, refuse(InvalidParameterValue, "Layers are not in the same region as the function. Layers are expected to be in region %s.", s.Region)
		}
		if other, ok := named[layer]; ok {
			return nil, nil, refuse(InvalidParameterValue, "Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", other, arn)
		}
		named[layer] = arn
		v, err := s.GetLayerVersion(layer, max(version, 1))
		if err != nil || v.ARN != arn {
			return nil, nil, noLayerVersion(arn)
		}
		list = append(list, FunctionLayer{v.ARN, v.CodeSize})
	}
	if _, err := s.layers.take(list, false); err != nil { // deleted meanwhile
		return nil, nil, err
	}
	return list, func() { s.layers.giveBack(list) }, nil
}

func noLayerVersion(arn string) error {
	return refuse(InvalidParameterValue, "Layer version %s does not exist.", arn)
}

// take counts one more user of each version, or of none if one of them is gone. Those that were deleted are there for functions
// that had them before.
func (l *layers) take(list []FunctionLayer, deletedToo bool) (versions []*layerVersion, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range list {
		v := l.findLocked(f.ARN)
		if v == nil || v.Deleted && !deletedToo {
			return nil, noLayerVersion(f.ARN)
		}
		versions = append(versions, v)
	}
	for _, v := range versions {
		v.users++
	}
	return versions, nil
}

// giveBack ends a use.
func (l *layers) giveBack(list []FunctionLayer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range list {
		if v := l.findLocked(f.ARN); v != nil {
			v.users--
		}
	}
}

// findLocked finds a version by its ARN; nil: it is not there.
func (l *layers) findLocked(arn string) *layerVersion {
	layer, version := cutLayerVersion(arn)
	return l.byName[layer[strings.LastIndexByte(layer, ':')+1:]].find(version)
}

// checkUnpacked refuses code that has more than a function may, together with its layers.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
func (s *Service) checkUnpacked(code *archive, list []FunctionLayer) error {
	if len(list) == 0 {
		return nil // the archive was checked by itself
	}
	file, err := code.source.Open(code.Key)
	if err != nil {
		return refuse(ServiceException, "%w", err)
	}
	defer file.Close()
	size, err := sandbox.UnpackedSize(file, file.Size, s.Limits)
	if err != nil {
		return refuse(ServiceException, "%w", err)
	}
	size += s.UnpackedLayers(list)
	if most := cmp.Or(s.Limits.Unzipped, sandbox.DefaultUnzipped); size > most {
		return refuse(InvalidParameterValue, "Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", most, size)
	}
	return nil
}

// UnpackedLayers is how many bytes the files of a function's layers have.
func (s *Service) UnpackedLayers(list []FunctionLayer) (bytes int64) {
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	for _, f := range list {
		if v := s.layers.findLocked(f.ARN); v != nil {
			bytes += v.Unpacked
		}
	}
	return bytes
}

// checkLayers is checkUnpacked for the code that a function has, or is about to.
func (s *Service) checkLayers(name string, list []FunctionLayer) error {
	f, err := s.lookup(name)
	if err != nil {
		return err
	}
	f.mu.Lock()
	code := f.latest.shownLocked().code
	f.mu.Unlock()
	return s.checkUnpacked(code, list)
}

// hold keeps a function's layers for environments, which may run from them from now on.
func (l *layers) hold(list []FunctionLayer, source *source) (held sandbox.Layers, err error) {
	versions, err := l.take(list, true)
	if len(versions) == 0 {
		return nil, err
	}
	for _, v := range versions {
		held = append(held, v.code())
	}
	source.run(held.Code())
	return held, nil
}

// dropLayers takes a hold back. What nobody needs any more is removed behind the caller's back, who may hold locks.
func (s *Service) dropLayers(list []FunctionLayer, held sandbox.Layers) error {
	if len(list) == 0 {
		return nil
	}
	s.layers.giveBack(list)
	s.background("remove deleted layers", s.tidyLayers)
	return s.uploads.rest(held.Code())
}

// tidyLayers removes what was deleted and that no function has any more.
func (s *Service) tidyLayers() error {
	if s.uploads.keep.Load() {
		return nil
	}
	// In this order: a call that gives a layer to a function is its user until the function names it. Whatever has no user now is
	// named by then, or never again, since nobody is given what was deleted.
	unused := s.layers.unused()
	if len(unused) == 0 {
		return nil
	}
	return s.removeLayers(unused, s.namedLayers())
}

// unused are the versions that were deleted and that have no user.
func (l *layers) unused() (versions []*layerVersion) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.byName {
		for _, v := range r.Versions {
			if v.Deleted && v.users == 0 {
				versions = append(versions, v)
			}
		}
	}
	return versions
}

// namedLayers are the ARNs of the layers that functions have, or are to have.
func (s *Service) namedLayers() map[string]bool {
	named := map[string]bool{}
	for _, f := range s.all() {
		f.mu.Lock()
		for _, v := range f.allLocked() {
			for _, l := range slices.Concat(v.config.Layers, v.shownLocked().config.Layers) {
				named[l.ARN] = true
			}
		}
		f.mu.Unlock()
	}
	return named
}

// removeLayers removes those of the versions that still have no user and no function's name.
func (s *Service) removeLayers(versions []*layerVersion, named map[string]bool) (err error) {
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	for name, r := range s.layers.byName {
		keep := slices.DeleteFunc(slices.Clone(r.Versions), func(v *layerVersion) bool {
			return v.users == 0 && !named[v.ARN] && slices.Contains(versions, v)
		})
		if len(keep) == len(r.Versions) {
			continue
		}
		next := &layerRecord{r.Latest, keep}
		if e := s.layerRecords.Put(name, *next); e != nil {
			err = errors.Join(err, e)
			continue
		}
		s.layers.byName[name] = next
		for _, v := range r.Versions {
			if !slices.Contains(keep, v) {
				err = errors.Join(err, s.uploads.Delete(v.Key))
			}
		}
	}
	return err
}

// restoreLayers takes up what the records say.
func (s *Service) restoreLayers() error {
	records, err := s.layerRecords.All()
	if err != nil {
		return fmt.Errorf("layers: %w", err)
	}
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	for name, r := range records {
		s.layers.byName[name] = &r
	}
	return nil
}

// keys are those of the layers' archives.
func (l *layers) keys() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.byName {
		for _, v := range r.Versions {
			list = append(list, v.Key)
		}
	}
	return list
}

// closeLayers removes the archives of a lab that nobody takes up again.
func (s *Service) closeLayers() (err error) {
	if s.uploads.keep.Load() {
		return nil
	}
	for _, key := range s.layers.keys() {
		err = errors.Join(err, s.uploads.Delete(key))
	}
	return err
}
