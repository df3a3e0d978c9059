package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"xunguan/pkg/day"
	"xunguan/services/escrow/bankfile"
)

// bankParts is into how many parts the bank divides its file of a day. They never all
// come: the day is not reconciled, and nobody waits for it.
const bankParts = 9999

// account is an institution's, as the supervision knows it.
type account struct {
	Bank      string
	Agreement string `json:"agreement_no"`
}

// bank is one part of the bank's file of today, with a few movements.
func (l *lane) bank(ctx context.Context) error {
	mark := l.mark()
	if l.n >= bankParts {
		return errDone
	}
	today, err := day.Parse(l.who.today)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w, err := bankfile.NewWriter(&out, bankfile.Header{
		Layout: bankfile.Fixed, Charset: bankfile.GBK, Content: bankfile.Movements, Bank: l.who.custody.Bank, Day: today, Part: l.n, Parts: bankParts,
	})
	if err != nil {
		return err
	}
	rows := 1 + l.dice.IntN(20)
	for i := range rows {
		if err := w.Write(bankfile.Record{
			Kind: bankfile.Movement, ID: fmt.Sprintf("C%05d-%d", l.n, i), Agreement: l.who.custody.Agreement, Account: bankfile.Custody, Direction: bankfile.In,
			Amount: 1 + l.dice.Int64N(1000), At: today.Start().Add(9 * time.Hour), Purpose: "other", Reference: mark,
		}); err != nil {
			return err
		}
	}
	if _, err := w.Close(); err != nil {
		return err
	}
	upload, err := form("application/octet-stream", out.Bytes())
	if err != nil {
		return err
	}
	var got struct{ Records int }
	if err := l.post(ctx, l.who.teller, "银行 报送流水", "escrow/v1/bank-files", upload, &got); err != nil {
		return err
	}
	if got.Records != rows {
		l.j.fail("流水 %s：%d 笔，答复收到 %d", mark, rows, got.Records)
	}
	l.j.promise("movements "+mark, "rows", strconv.Itoa(rows))
	return nil
}

// wind begins an institution's end as far as it can be taken back: roster, another's
// yes, a parent's choice; and takes it back. What families have is as it was.
func (l *lane) wind(ctx context.Context) error {
	at := l.who.signed
	if at == l.who.school {
		return errDone // the demo data have no other
	}
	d, err := l.offer(ctx, at, l.who.principal, l.who.parent, "parent")
	if err != nil {
		return err
	}
	var w struct{ ID string }
	url := "escrow/v1/wind-downs"
	for _, step := range []func() error{
		func() error { return d.sign(ctx) },
		func() error { return d.pay(ctx) },
		func() error { return d.taught(ctx, 1) },
		func() error { return d.confirm(ctx, 1, false) },
		func() error {
			return l.post(ctx, l.who.examiner, "清退 启动", url, map[string]any{
				"institution": at, "ground": "closed_abnormal", "document_no": "演练〔" + l.name + "〕", "reason": "混沌演练：机构异常关停",
			}, &w)
		},
		func() error { url += "/" + w.ID; return l.drawn(ctx, url) },
		func() error { return l.post(ctx, l.who.examiner2, "清退 复核", url+"/confirm", nil, nil) },
		func() error { l.j.promise("wind "+w.ID, "state", "OPEN"); return l.drawn(ctx, url) },
		func() error {
			return l.post(ctx, l.who.parent, "清退 选择", url+"/families/"+d.id+"/choose", map[string]any{"choice": "refund"}, nil)
		},
		func() error {
			return l.post(ctx, l.who.examiner, "清退 撤回", url+"/withdraw", map[string]any{"reason": "混沌演练：机构恢复经营"}, nil)
		},
		func() error { l.j.promise("wind "+w.ID, "state", "WITHDRAWN"); return d.refund(ctx, true) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// drawn waits until the roster of a wind-down is whole.
func (l *lane) drawn(ctx context.Context, url string) error {
	var a answer
	ok := eventually(ctx, func() bool {
		var w struct{ Figures struct{ Drawn bool } }
		a = l.who.examiner.send(ctx, http.MethodGet, url, "", "", nil)
		return a.status == http.StatusOK && json.Unmarshal(a.body, &w) == nil && w.Figures.Drawn
	})
	if !ok {
		l.j.fail("名册两分钟内没有列完：%s：%s", url, brief(a.body))
		return errGivenUp
	}
	return nil
}

// banked learns where the school's money is.
func (who *people) banked(ctx context.Context) error {
	err := who.principal.get(ctx, "escrow/v1/accounts/"+who.school).into(&who.custody)
	if err == nil && (who.custody.Bank == "" || who.custody.Agreement == "") {
		err = errors.New("the school's account names no bank")
	}
	return err
}
