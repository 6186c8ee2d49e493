"""A library's database as its own program made it, for each database in its own words: nothing in it is mini_orm's."""

from __future__ import annotations

_SQLITE = """
CREATE TABLE Author (author_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name NVARCHAR(120) NOT NULL UNIQUE);
CREATE TABLE Books (isbn VARCHAR(20) NOT NULL, title NVARCHAR(200) NOT NULL, "class" SMALLINT NOT NULL,
  "in stock?" BOOLEAN DEFAULT 1, pages INT NOT NULL DEFAULT 0, price NUMERIC(10,2) DEFAULT 9.5,
  previous VARCHAR(20) REFERENCES Books (isbn) ON DELETE SET NULL, printed DATE, cover BLOB, extra,
  initials TEXT GENERATED ALWAYS AS (substr(title, 1, 1)) VIRTUAL, PRIMARY KEY (isbn));
CREATE INDEX title_initials ON Books (substr(title, 1, 1));
CREATE INDEX ix_books_class_pages ON Books ("class", pages);
CREATE TABLE book_authors (isbn VARCHAR(20) NOT NULL, author INTEGER NOT NULL,
  CONSTRAINT pk_ba PRIMARY KEY (isbn, author), FOREIGN KEY (isbn) REFERENCES Books (isbn) ON DELETE CASCADE,
  FOREIGN KEY (author) REFERENCES Author);
CREATE TABLE branches (code CHAR(3) PRIMARY KEY NOT NULL, city TEXT COLLATE NOCASE,
  head INTEGER UNIQUE REFERENCES members (id));
CREATE TABLE members (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '', home CHAR(3) REFERENCES branches (code),
  joined DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE (name, home));
CREATE TABLE branch_stock (branch_code CHAR(3) NOT NULL REFERENCES branches (code), isbn VARCHAR(20) NOT NULL,
  copies INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (isbn, branch_code), FOREIGN KEY (isbn) REFERENCES Books (isbn));
CREATE TABLE "2nd-hand offers" (isbn VARCHAR(20) NOT NULL PRIMARY KEY REFERENCES Books (isbn), "from" DATETIME,
  asked DECIMAL(8,2));
CREATE TABLE "audit trail" (said TEXT);
CREATE VIEW loans_by_member AS SELECT name FROM members;
"""

_POSTGRES = """
CREATE TABLE "Author" (author_id serial PRIMARY KEY, name varchar(120) NOT NULL, CONSTRAINT one_name UNIQUE (name));
CREATE TABLE "Books" (isbn character varying(20) NOT NULL, title varchar(200) NOT NULL, "class" smallint NOT NULL,
  "in stock?" boolean DEFAULT true, pages integer NOT NULL DEFAULT 0, price numeric(10,2) DEFAULT 9.5,
  previous varchar(20) REFERENCES "Books" (isbn) ON DELETE SET NULL, printed date, cover bytea, extra integer[],
  initials text GENERATED ALWAYS AS (left(title, 1)) STORED, PRIMARY KEY (isbn));
CREATE INDEX title_initials ON "Books" (left(title, 1));
CREATE INDEX ix_books_class_pages ON "Books" ("class", pages);
CREATE TABLE book_authors (isbn varchar(20) NOT NULL REFERENCES "Books" ON DELETE CASCADE,
  author integer NOT NULL REFERENCES "Author", CONSTRAINT pk_ba PRIMARY KEY (isbn, author));
CREATE TABLE branches (code character(3) PRIMARY KEY, city text, head integer UNIQUE);
CREATE TABLE members (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT ''::text,
  home character(3) REFERENCES branches (code), joined timestamp(0) NOT NULL DEFAULT now(),
  CONSTRAINT one_home UNIQUE (name, home));
ALTER TABLE branches ADD CONSTRAINT heads FOREIGN KEY (head) REFERENCES members (id);
CREATE TABLE branch_stock (branch_code character(3) NOT NULL REFERENCES branches, isbn varchar(20) NOT NULL,
  copies integer NOT NULL DEFAULT 1, PRIMARY KEY (isbn, branch_code), FOREIGN KEY (isbn) REFERENCES "Books" (isbn));
CREATE TABLE "2nd-hand offers" (isbn varchar(20) PRIMARY KEY REFERENCES "Books", "from" timestamptz(3),
  asked numeric(8,2));
CREATE TABLE "audit trail" (said text);
CREATE VIEW loans_by_member AS SELECT name FROM members;
"""

_MYSQL = """
CREATE TABLE `Author` (author_id int unsigned NOT NULL AUTO_INCREMENT, name varchar(120) NOT NULL,
  PRIMARY KEY (author_id), UNIQUE KEY one_name (name)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `Books` (isbn varchar(20) NOT NULL, title varchar(200) NOT NULL, `class` smallint NOT NULL,
  `in stock?` tinyint(1) DEFAULT 1, pages int(11) NOT NULL DEFAULT 0, price decimal(10,2) DEFAULT 9.50,
  previous varchar(20), printed date, cover mediumblob, extra enum('new', 'worn') DEFAULT 'new',
  initials char(1) GENERATED ALWAYS AS (left(title, 1)) VIRTUAL, PRIMARY KEY (isbn),
  KEY title_initials (title(1)), KEY ix_books_class_pages (`class`, pages),
  FOREIGN KEY (previous) REFERENCES `Books` (isbn) ON DELETE SET NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE book_authors (isbn varchar(20) NOT NULL, author int unsigned NOT NULL, PRIMARY KEY (isbn, author),
  CONSTRAINT ba_book FOREIGN KEY (isbn) REFERENCES `Books` (isbn) ON DELETE CASCADE,
  CONSTRAINT ba_author FOREIGN KEY (author) REFERENCES `Author` (author_id)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE branches (code char(3) NOT NULL, city text, head int, PRIMARY KEY (code),
  UNIQUE KEY one_head (head)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE members (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, name varchar(100) NOT NULL DEFAULT '',
  home char(3), joined datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, UNIQUE KEY one_home (name, home),
  FOREIGN KEY (home) REFERENCES branches (code)) DEFAULT CHARSET=utf8mb4;
ALTER TABLE branches ADD CONSTRAINT heads FOREIGN KEY (head) REFERENCES members (id);
CREATE TABLE branch_stock (branch_code char(3) NOT NULL, isbn varchar(20) NOT NULL, copies int NOT NULL DEFAULT 1,
  PRIMARY KEY (isbn, branch_code), FOREIGN KEY (branch_code) REFERENCES branches (code),
  FOREIGN KEY (isbn) REFERENCES `Books` (isbn)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE `2nd-hand offers` (isbn varchar(20) NOT NULL PRIMARY KEY, `from` timestamp NULL, asked decimal(8,2),
  FOREIGN KEY (isbn) REFERENCES `Books` (isbn)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE `audit trail` (said text);
CREATE VIEW loans_by_member AS SELECT name FROM members;
"""

#: Dialect -> statements, each with `;` at the end of its line.
LIBRARY = {"sqlite": _SQLITE, "postgres": _POSTGRES, "mysql": _MYSQL}
#: Rows, for all of them.
LIBRARY_ROWS = [
    "INSERT INTO \"Author\" (name) VALUES ('Jane')",
    "INSERT INTO \"Books\" (isbn, title, \"class\") VALUES ('978-1', 'Emma', 7)",
    "INSERT INTO \"Books\" (isbn, title, \"class\", previous) VALUES ('978-2', 'Emma, again', 7, '978-1')",
    "INSERT INTO book_authors (isbn, author) VALUES ('978-2', 1)",
    "INSERT INTO members (name) VALUES ('Ann')",
    "INSERT INTO branches (code, head) VALUES ('abc', 1)",
]
