// An HTTP server, and a client that asks one.
// usage: go-http serve PORT | serve-tls PORT | ask PORT PATH IN-FLIGHT SECONDS
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func serve(what string, port string) {
	answer := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.Write(body)
		}
	}
	http.Handle("/hello", answer([]byte("Hello, world!")))
	http.Handle("/16k", answer([]byte(strings.Repeat("x", 16384))))
	http.Handle("/1m", answer([]byte(strings.Repeat("x", 1<<20))))
	if what == "serve-tls" {
		panic(http.ListenAndServeTLS("127.0.0.1:"+port, "bench/build/tls.pem", "bench/build/tls.key", nil))
	}
	panic(http.ListenAndServe("127.0.0.1:"+port, nil))
}

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func forSeconds(url string, inFlight int, s float64) (int64, float64, float64) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}
	defer client.CloseIdleConnections()
	var count int64
	var wg sync.WaitGroup
	began, used := time.Now(), cpu()
	for i := 0; i < inFlight; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for ok := true; ok; ok = time.Since(began).Seconds() < s {
				r, err := client.Get(url)
				if err != nil {
					panic(err)
				}
				_, err = io.ReadAll(r.Body)
				r.Body.Close()
				if err != nil || r.StatusCode != 200 {
					panic(r.Status)
				}
				atomic.AddInt64(&count, 1)
			}
		}()
	}
	wg.Wait()
	return count, time.Since(began).Seconds(), cpu() - used
}

func main() {
	if os.Args[1] != "ask" {
		serve(os.Args[1], os.Args[2])
	}
	url := "http://127.0.0.1:" + os.Args[2] + os.Args[3]
	inFlight, _ := strconv.Atoi(os.Args[4])
	seconds, _ := strconv.ParseFloat(os.Args[5], 64)
	forSeconds(url, inFlight, 0.5)
	count, took, used := forSeconds(url, inFlight, seconds)
	fmt.Println("ask", count, took, used)
}
