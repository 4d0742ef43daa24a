package daemon

import (
	"context"
	"fmt"
	"slices"

	"enilab/internal/lambda"
)

// ofTopology is the description of the versions that topologies publish. Those of customers are theirs to delete.
const ofTopology = "declared in a topology"

func (d *Daemon) layers() (list []object, err error) {
	for _, v := range d.lab.Lambda.ListLayers() {
		list = append(list, object{"layer", v.LayerName, layerSpec{Content: v.CodeSha256}})
	}
	return list, nil
}

func (d *Daemon) createLayer(_ context.Context, o object) error {
	s := o.Spec.(layerSpec)
	_, err := d.lab.Lambda.PublishLayerVersion(lambda.PublishLayerVersionInput{LayerName: o.Name, ZipFile: s.code.zip, StoreKey: s.code.key, Description: ofTopology})
	return err
}

// changeLayer publishes the next version in place of former ones. Functions keep those until they are changed, too; one that
// has the same content stays, because functions that have it do not change.
func (d *Daemon) changeLayer(ctx context.Context, _, to object) error {
	before := d.lab.Lambda.ListLayerVersions(to.Name)
	if err := d.createLayer(ctx, to); err != nil {
		return err
	}
	content := to.Spec.(layerSpec).Content
	return d.deleteVersions(to.Name, slices.DeleteFunc(before, func(v lambda.LayerVersion) bool { return v.CodeSha256 == content }))
}

func (d *Daemon) deleteLayer(_ context.Context, o object) error {
	return d.deleteVersions(o.Name, d.lab.Lambda.ListLayerVersions(o.Name))
}

func (d *Daemon) deleteVersions(layer string, list []lambda.LayerVersion) error {
	for _, v := range list {
		if v.Description != ofTopology {
			continue
		}
		if err := d.lab.Lambda.DeleteLayerVersion(layer, v.Version); err != nil {
			return err
		}
	}
	return nil
}

// contents are layers that a function has, by their content. One that was deleted under it is known by its ARN alone.
func (d *Daemon) contents(list []lambda.FunctionLayer) (contents []layerContent) {
	for _, l := range list {
		v, err := d.lab.Lambda.GetLayerVersionByARN(l.ARN)
		if err != nil {
			contents = append(contents, layerContent{Layer: l.ARN})
			continue
		}
		contents = append(contents, layerContent{v.LayerName, v.CodeSha256})
	}
	return contents
}

// layerARNs finds the versions that have such contents.
func (d *Daemon) layerARNs(contents []layerContent) ([]string, error) {
	arns := []string{}
	for _, c := range contents {
		n := len(arns)
		for _, v := range d.lab.Lambda.ListLayerVersions(c.Layer) {
			if v.CodeSha256 == c.Content {
				arns = append(arns, v.ARN)
				break
			}
		}
		if len(arns) == n {
			return nil, fmt.Errorf("layer %s has no version with the content %s any more", c.Layer, c.Content)
		}
	}
	return arns, nil
}
