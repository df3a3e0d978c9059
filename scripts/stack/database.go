package stack

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// Database is a service's own: owned by a role of the same name, which has no
// other power.
//
// Keeper gives it a second role besides, <name>_identity, which cannot log in: what
// that one owns, the first can only reach by SET ROLE. The tip-offs keep who told so.
type Database struct {
	Name, Password string
	Keeper         bool
}

// keeper is the name of the second role.
func (d Database) keeper() string { return d.Name + "_identity" }

// Provision makes, by an administrator's url, what databases lack, for the
// suite that is named owner. It may run again at any time. It refuses a database
// that another suite made, or nobody.
func Provision(ctx context.Context, admin, owner string, databases ...Database) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return unreachable(err)
	}
	defer conn.Close(ctx)
	for _, d := range databases {
		err := d.provision(ctx, conn, owner)
		if err == nil {
			err = d.open(ctx, admin)
		}
		if err != nil {
			return fmt.Errorf("数据库 %s：%w", d.Name, err)
		}
	}
	return nil
}

// Reach returns why the administrator's url cannot be used, if it cannot.
func Reach(ctx context.Context, admin string) error {
	if _, err := (Database{}).URL(admin); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return unreachable(err)
	}
	return conn.Close(ctx)
}

// unreachable puts pgx's several lines into one.
func unreachable(err error) error {
	return fmt.Errorf("不能连接 PostgreSQL（请检查 DATABASE_URL 与服务器）：%s", oneLine(err.Error()))
}

func (d Database) provision(ctx context.Context, conn *pgx.Conn, owner string) error {
	made, err := d.owned(ctx, conn, owner)
	if err != nil {
		return err
	}
	if err := d.role(ctx, conn); err != nil {
		return err
	}
	if err := d.keep(ctx, conn); err != nil {
		return err
	}
	name := pgx.Identifier{d.Name}.Sanitize()
	if !made {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+" OWNER "+name+
			" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C.UTF-8'"); err != nil {
			return err
		}
	}
	for _, sql := range []string{
		"COMMENT ON DATABASE " + name + " IS " + quote(owner),
		"REVOKE CONNECT, TEMPORARY ON DATABASE " + name + " FROM PUBLIC",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return d.check(ctx, conn)
}

// owned reports whether the database is there; one that is not owner's is an error.
// A database that was made but not yet marked, because we were killed in between,
// has its role as owner and is taken.
func (d Database) owned(ctx context.Context, conn *pgx.Conn, owner string) (bool, error) {
	var comment, role string
	err := conn.QueryRow(ctx, `SELECT coalesce(shobj_description(oid, 'pg_database'), ''), pg_get_userbyid(datdba)
		FROM pg_database WHERE datname = $1`, d.Name).Scan(&comment, &role)
	switch {
	case err == pgx.ErrNoRows: //nolint:errorlint // as pgx documents
		return false, nil
	case err != nil:
		return false, err
	case comment == owner, comment == "" && role == d.Name:
		return true, nil
	}
	return false, fmt.Errorf("已经存在，属于 %q 而不是本套件 %q：请换一个 PostgreSQL，或自行删除它", comment, owner)
}

// role makes the database's role or renews its password, as the server holds
// only what the last secrets.json said.
func (d Database) role(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, d.Name).Scan(&exists); err != nil {
		return err
	}
	verb := "CREATE"
	if exists {
		verb = "ALTER"
	}
	name := pgx.Identifier{d.Name}.Sanitize()
	if _, err := conn.Exec(ctx, verb+" ROLE "+name+" LOGIN PASSWORD "+quote(d.Password)); err != nil {
		return err
	}
	if exists {
		return nil
	}
	// An administrator who is no superuser must be a member of whom it gives a database.
	_, err := conn.Exec(ctx, `DO $$ BEGIN
		IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN EXECUTE format('GRANT %I TO CURRENT_USER', `+quote(d.Name)+`); END IF;
		END $$`)
	return err
}

// keep makes the second role, if there is to be one, and lets the first become it
// but not inherit from it.
func (d Database) keep(ctx context.Context, conn *pgx.Conn) error {
	if !d.Keeper {
		return nil
	}
	_, err := conn.Exec(ctx, `DO $$
		DECLARE
			service text := `+quote(d.Name)+`;
			keeper  text := `+quote(d.keeper())+`;
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = keeper) THEN
				EXECUTE format('CREATE ROLE %I NOLOGIN', keeper);
			END IF;
			EXECUTE format('ALTER ROLE %I NOINHERIT', service);
			IF current_setting('server_version_num')::int >= 160000 THEN
				EXECUTE format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', keeper, service);
			ELSE
				EXECUTE format('GRANT %I TO %I', keeper, service);
			END IF;
		END $$`)
	return err
}

// open gives a role that has a keeper its database's schema public: that belongs
// to the database's owner by a membership, and such a role inherits from none.
func (d Database) open(ctx context.Context, admin string) error {
	if !d.Keeper {
		return nil
	}
	u, err := url.Parse(admin)
	if err != nil {
		return err
	}
	u.Path = "/" + d.Name
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return unreachable(err)
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "ALTER SCHEMA public OWNER TO "+pgx.Identifier{d.Name}.Sanitize())
	return err
}

// check refuses a database whose order of text differs from the suite's, and a
// role that row-level security would not hold.
func (d Database) check(ctx context.Context, conn *pgx.Conn) error {
	var collate, ctype, encoding string
	var mighty bool
	err := conn.QueryRow(ctx, `SELECT datcollate, datctype, pg_encoding_to_char(encoding), rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole
		FROM pg_database, pg_roles WHERE datname = $1 AND rolname = $1`, d.Name).Scan(&collate, &ctype, &encoding, &mighty)
	if err != nil {
		return err
	}
	utf8 := func(s string) bool { return s == "C.UTF-8" || s == "C.utf8" }
	if !utf8(collate) || !utf8(ctype) || encoding != "UTF8" {
		return fmt.Errorf("排序规则是 %s/%s、编码是 %s，需要 C.UTF-8 与 UTF8", collate, ctype, encoding)
	}
	if mighty {
		return fmt.Errorf("角色 %s 权力过大（超级用户、绕过行级安全、建库或建角色）：请收回", d.Name)
	}
	return nil
}

// Drop removes databases and their roles where they are owner's.
func Drop(ctx context.Context, admin, owner string, names ...string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return unreachable(err)
	}
	defer conn.Close(ctx)
	for _, name := range names {
		made, err := Database{Name: name}.owned(ctx, conn, owner)
		if err != nil {
			return fmt.Errorf("数据库 %s：%w", name, err)
		}
		if !made {
			continue
		}
		id := pgx.Identifier{name}.Sanitize()
		keeper := pgx.Identifier{Database{Name: name}.keeper()}.Sanitize()
		for _, sql := range []string{"DROP DATABASE " + id + " WITH (FORCE)", "DROP ROLE " + id, "DROP ROLE IF EXISTS " + keeper} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("数据库 %s：%w", name, err)
			}
		}
	}
	return nil
}

// URL is how the database's role reaches it on the server of admin.
func (d Database) URL(admin string) (string, error) {
	u, err := url.Parse(admin)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" {
		return "", fmt.Errorf("DATABASE_URL 不是 postgres://用户:密码@主机:端口/库 的形式")
	}
	u.User, u.Path = url.UserPassword(d.Name, d.Password), "/"+d.Name
	return u.String(), nil
}

// quote is s as an SQL literal; utility statements take no parameters.
func quote(s string) string {
	out := []byte{'\''}
	for i := range len(s) {
		if s[i] == '\'' {
			out = append(out, '\'')
		}
		out = append(out, s[i])
	}
	return string(append(out, '\''))
}
