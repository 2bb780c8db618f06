package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
)

// process stands where the fake workspace expects a Go test: what would fail the test is written
// to stderr.
type process struct {
	cleanups []func()
}

func (p *process) Log(...any)          {}
func (p *process) Logf(string, ...any) {}

func (p *process) Error(args ...any)                 { fmt.Fprintln(os.Stderr, args...) }
func (p *process) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (p *process) Fatal(args ...any)                 { log.Fatal(args...) }
func (p *process) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (p *process) FailNow()                          { log.Fatal("failed") }

func (p *process) Skip(args ...any)                 { log.Fatal(args...) }
func (p *process) Skipf(format string, args ...any) { log.Fatalf(format, args...) }

func (p *process) Cleanup(f func())         { p.cleanups = append(p.cleanups, f) }
func (p *process) Context() context.Context { return context.Background() }
func (p *process) Helper()                  {}

func (p *process) Setenv(key, value string) {
	if err := os.Setenv(key, value); err != nil {
		log.Fatal(err)
	}
}

func (p *process) TempDir() string {
	folder, err := os.MkdirTemp("", "fake-workspace-")
	if err != nil {
		log.Fatal(err)
	}
	p.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

func (p *process) cleanUp() {
	for _, clean := range slices.Backward(p.cleanups) {
		clean()
	}
}
