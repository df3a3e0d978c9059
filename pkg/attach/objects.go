package attach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"xunguan/pkg/fault"
)

// Config is where a service's bytes are. Embed it in a program's settings.
type Config struct {
	ObjectsURL     string `name:"objects-url" required:"" help:"S3 service that keeps attachments: http://host:port or https://host."`
	ObjectsBucket  string `name:"objects-bucket" required:"" help:"Bucket of this service's own; it must be there."`
	ObjectsRegion  string `name:"objects-region" default:"us-east-1" help:"Region of the bucket."`
	ObjectsKeyFile string `name:"objects-key-file" required:"" help:"File with access:secret, the key to that bucket."`
}

// objectCap is how long one call of the S3 service may take.
const objectCap = 10 * time.Second

// Objects is one bucket of an S3 service.
type Objects struct {
	client *minio.Client
	bucket string
}

// Open prepares the bucket that c names. It does not call the service: without it
// all but attachments works.
func Open(c Config) (*Objects, error) {
	at, err := url.Parse(c.ObjectsURL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("objects-url %q is no http(s) address", c.ObjectsURL)
	}
	text, err := os.ReadFile(c.ObjectsKeyFile)
	if err != nil {
		return nil, err
	}
	access, secret, ok := strings.Cut(strings.TrimSpace(string(text)), ":")
	if !ok {
		return nil, fmt.Errorf("%s is not access:secret", c.ObjectsKeyFile)
	}
	client, err := minio.New(at.Host, &minio.Options{
		Creds: credentials.NewStaticV4(access, secret, ""), Secure: at.Scheme == "https", Region: c.ObjectsRegion,
		BucketLookup: minio.BucketLookupPath, MaxRetries: 2,
		Transport: &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: objectCap},
	})
	if err != nil {
		return nil, err
	}
	return &Objects{client, c.ObjectsBucket}, nil
}

// Make makes the bucket, unless it is there.
func (o *Objects) Make(ctx context.Context) error {
	there, err := o.client.BucketExists(ctx, o.bucket)
	if err != nil || there {
		return away(err)
	}
	return away(o.client.MakeBucket(ctx, o.bucket, minio.MakeBucketOptions{}))
}

// Reachable reports whether the bucket answers.
func (o *Objects) Reachable(ctx context.Context) error {
	there, err := o.client.BucketExists(ctx, o.bucket)
	if err == nil && !there {
		err = fmt.Errorf("no bucket %s", o.bucket)
	}
	return err
}

func (o *Objects) put(ctx context.Context, key string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, objectCap)
	defer cancel()
	_, err := o.client.PutObject(ctx, o.bucket, key, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{ContentType: Type, DisableMultipart: true})
	return away(err)
}

func (o *Objects) get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, objectCap)
	defer cancel()
	from, err := o.client.GetObject(ctx, o.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, away(err)
	}
	defer from.Close()
	body, err := io.ReadAll(io.LimitReader(from, maxMemory))
	return body, away(err)
}

// remove removes key, if it is there.
func (o *Objects) remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, objectCap)
	defer cancel()
	return away(o.client.RemoveObject(ctx, o.bucket, key, minio.RemoveObjectOptions{}))
}

// away makes what may pass Unavailable: the service is not there, or not itself.
// What it refuses, as a wrong key, is ours to mend.
func away(err error) error {
	if err == nil {
		return nil
	}
	if said, ok := errors.AsType[minio.ErrorResponse](err); ok && said.StatusCode < http.StatusInternalServerError {
		return fmt.Errorf("objects: %w", err)
	}
	return fault.Unavailable.Wrap(fmt.Errorf("objects: %w", err))
}
