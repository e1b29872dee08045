#include "agent/link/address_book.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "storage/base/random.h"

namespace mooring::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// What it goes on to when everything fails, `steps` times.
std::vector<std::string> Walk(AddressBook& book, int steps) {
  std::vector<std::string> walk;
  for (int i = 0; i < steps; ++i) {
    book.MoveOn(book.current());
    walk.push_back(book.current());
  }
  return walk;
}

TEST(AddressBookTest, OneServerIsKept) {
  SeededRandom random(1);
  AddressBook book({"a:1"}, {}, random);
  EXPECT_EQ(book.current(), "a:1");
  EXPECT_FALSE(book.MoveOn("a:1"));
  EXPECT_EQ(book.current(), "a:1");
}

TEST(AddressBookTest, BeginsWithAnyThatIsConfigured) {
  std::set<std::string> first;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    SeededRandom random(seed);
    first.insert(AddressBook({"a:1", "b:1"}, {"c:1"}, random).current());
  }
  EXPECT_THAT(first, UnorderedElementsAre("a:1", "b:1"));
}

TEST(AddressBookTest, EachIsTriedOnceBeforeAnyIsTriedAgain) {
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    SeededRandom random(seed);
    AddressBook book({"a:1"}, {"a:1", "b:1", "c:1", "d:1"}, random);
    EXPECT_THAT(Walk(book, 3), UnorderedElementsAre("b:1", "c:1", "d:1"));
    const std::string last = book.current();
    const std::vector<std::string> again = Walk(book, 3);
    EXPECT_EQ(std::set<std::string>(again.begin(), again.end()).size(), 3u);
    EXPECT_EQ(std::count(again.begin(), again.end(), last), 0);
  }
}

TEST(AddressBookTest, TheOrderIsRandom) {
  std::set<std::vector<std::string>> orders;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    SeededRandom random(seed);
    AddressBook book({"a:1"}, {"b:1", "c:1", "d:1"}, random);
    orders.insert(Walk(book, 3));
  }
  EXPECT_EQ(orders.size(), 6u);
}

TEST(AddressBookTest, WhatFailedEarlierDoesNotMoveTheCurrentOne) {
  SeededRandom random(1);
  AddressBook book({"a:1"}, {"b:1"}, random);
  ASSERT_TRUE(book.MoveOn("a:1"));
  EXPECT_FALSE(book.MoveOn("a:1")) << "another has moved on already";
  EXPECT_EQ(book.current(), "b:1");
}

TEST(AddressBookTest, AServersListReplacesTheOneBeforeAndNotTheConfiguration) {
  SeededRandom random(1);
  AddressBook book({"a:1"}, {"b:1"}, random);
  EXPECT_TRUE(book.Learn({"c:1", "a:1"}));
  EXPECT_THAT(book.all(), ElementsAre("a:1", "c:1"));
  EXPECT_FALSE(book.Learn({"c:1", "a:1"})) << "no news";
}

TEST(AddressBookTest, TheCurrentOneStaysWhileItWorks) {
  SeededRandom random(1);
  AddressBook book({"a:1"}, {"b:1"}, random);
  ASSERT_TRUE(book.MoveOn("a:1"));
  ASSERT_TRUE(book.Learn({"c:1"}));
  EXPECT_EQ(book.current(), "b:1");
  EXPECT_THAT(Walk(book, 2), UnorderedElementsAre("a:1", "c:1"));
}

TEST(AddressBookTest, WhatIsNoListOfAddressesIsNotTaken) {
  SeededRandom random(1);
  AddressBook book({"a:1"}, {}, random);
  EXPECT_FALSE(book.Learn({}));
  EXPECT_FALSE(book.Learn({"b"}));
  EXPECT_FALSE(book.Learn({":1"}));
  EXPECT_FALSE(book.Learn({"b:"}));
  EXPECT_FALSE(book.Learn({"b:1\nc:1"}));
  EXPECT_FALSE(book.Learn({std::string(kAddressBytesMax, 'b') + ":1"}));
  EXPECT_FALSE(book.Learn(std::vector<std::string>(kAddressesMax + 1, "b:1")));
  EXPECT_THAT(book.all(), ElementsAre("a:1"));
}

}  // namespace
}  // namespace mooring::agent
